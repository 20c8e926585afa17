stepca_COMMON = file.c http.c http_request.c pem.c tail.c text.c words.c work.c
stepca_LIBS   = -lcurl -ljansson -lssl -lcrypto -lpthread
