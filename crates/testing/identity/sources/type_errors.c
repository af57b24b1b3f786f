#include "common.h"
struct point { int x, y; };
int use(struct point *p) { return p.x + p->z + MAX(p, 1) + nothing(TWICE(p)); }
void assign(void) { struct point p = 3; const int c = 1; c = 2; p = "a"; }
int use(int again) { return again; }
