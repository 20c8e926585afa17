stepca_COMMON = http.c http_request.c pem.c text.c work.c
stepca_LIBS   = -lcurl -ljansson -lssl -lcrypto -lpthread
