exec_COMMON =
exec_LIBS   =
