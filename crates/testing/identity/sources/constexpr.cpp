constexpr int power(int b, int e) { return e ? b * power(b, e - 1) : 1; }
static_assert(power(2, 10) == 1024, "it is");
static_assert(power(2, 3) == 9, "it is not");
constexpr int bad = power(2, 100);
template <int N> struct depth { enum { value = depth<N - 1>::value }; };
int deep = depth<5>::value;
