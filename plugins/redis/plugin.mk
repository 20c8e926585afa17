redis_COMMON = resolve.c stream.c stream_addr.c stream_dial.c stream_wire.c tail.c text.c \
               tls.c tls_session.c words.c
redis_LIBS   = -lhiredis -lssl -lcrypto -lpthread
