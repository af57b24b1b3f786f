const char *file(void) { return __builtin_FILE(); }
int line(void) { return __builtin_LINE(); }
const char *function(void) { return __builtin_FUNCTION(); }
