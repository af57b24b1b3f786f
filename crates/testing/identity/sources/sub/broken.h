#include "deep/deeper.h"
int broken(void) { return MAX(1, undeclared); }
