#include "api.h"
#define HEADER "spaced/spaced.h"
#include HEADER
#if __has_include("sys_api.h")
#include "sys_api.h"
int compare(int a, unsigned b) { return SYS_COMPARE(a, b) + *(int *)SYS_NULL; }
#endif
int api_call(struct api *api, unsigned n) { return api->size < n ? spaced(1, n) : 0; }
