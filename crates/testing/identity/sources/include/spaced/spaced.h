#define SPACED 1
static inline int spaced(int a, unsigned b) { return a < b; }
