#include <stddef.h>
#include "../../common.h"
#include "deeper.h"
size_t low(int n) { return MAX(n, sizeof(int)); }
