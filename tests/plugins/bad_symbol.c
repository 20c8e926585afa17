/*
 * bad_symbol - a shared object, but no plugin
 */
int bad_symbol_nothing(void);

int bad_symbol_nothing(void)
{
	return 0;
}
