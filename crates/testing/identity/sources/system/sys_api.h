/* A system header when it comes by -isystem: what is wrong in it is not shown then. */
#define SYS_COMPARE(a, b) ((a) < (b))
#define SYS_NULL 0
static int sys_unused(int a, unsigned b) { int c; return a < b; }
