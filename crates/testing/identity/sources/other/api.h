#pragma once
#define API
struct api { long size; const char *name; };
API int api_call(struct api *api, unsigned n);
#include_next "api.h"
