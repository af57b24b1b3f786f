#pragma once
#define API __attribute__((visibility("default")))
struct api { int size; char name[]; };
API int api_call(struct api *api, unsigned n);
