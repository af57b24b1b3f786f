#include "common.h"
#warning this is only a warning: TEXT(x)
int x = LEVEL;
