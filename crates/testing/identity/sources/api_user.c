#include "api.h"
#ifdef FORCED
int forced(struct forced *f) { int unused; return f->a < 2u; }
#endif
#ifdef __SANITIZE_ADDRESS__
int sanitized = 1;
#endif
API int user(struct api *api) { return api->size; }
