stepca_COMMON =
stepca_LIBS   = -lcurl -ljansson -lssl -lcrypto
