redis_COMMON = resolve.c stream.c stream_addr.c stream_dial.c stream_wire.c tls.c tls_session.c
redis_LIBS   = -lhiredis -lssl -lcrypto -lpthread
