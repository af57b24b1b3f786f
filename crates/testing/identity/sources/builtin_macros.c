#define HERE __FILE__ ":" STRING(__LINE__)
#define STRING(x) STRING_(x)
#define STRING_(x) #x
const char *where(void) { return HERE; }
const char *base = __BASE_FILE__;
int counters[] = { __COUNTER__, __COUNTER__, __COUNTER__, __INCLUDE_LEVEL__ };
const char *function(void) { return __func__; }
const char *pretty(void) { return __PRETTY_FUNCTION__; }
const char *version = __VERSION__;
#ifdef __OPTIMIZE__
int optimized = 1;
#endif
#ifdef __clang__
const char *clang = __clang_version__;
#endif
