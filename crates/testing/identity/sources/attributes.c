__attribute__((deprecated("use another"))) int old(void);
__attribute__((warn_unused_result)) int must(void);
__attribute__((error("never call this"))) int never(void);
__attribute__((section(".special"), used)) static int special = 1;
__attribute__((constructor(200))) static void first(void) { old(); must(); }
__attribute__((format(printf, 1, 2))) int out(const char *format, ...);
__attribute__((nonnull)) int whole(char *p);
__attribute__((unknown_one)) int odd;
int aliased(int a) { return a; }
extern int other_name(int) __attribute__((alias("aliased")));
__attribute__((noinline, cold, optimize("O3"))) int slow(int n) { return out("%s", n) + whole(0); }
int thread(void) { static __thread int t; return t++; }
