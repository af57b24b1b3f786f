const char *built = __DATE__ " " __TIME__;
const char *changed = __TIMESTAMP__;
