#include <concepts>
template <class T> concept Small = sizeof(T) <= 4 && requires(T t) { t + t; };
template <Small T> T twice(T t) { return t + t; }
consteval int square(int n) { return n * n; }
#include <compare>
auto order(int a, int b) { return a <=> b; }
int use() { return twice(1) + square(3); }
long bad() { return twice(1L); }
