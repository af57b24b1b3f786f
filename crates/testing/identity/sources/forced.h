#define FORCED 1
struct forced { int a; };
