#define CHECK(x) if (!(x)) throw __FILE__
namespace one { inline namespace two { template <class T, int N = 3> struct array { T values[N]; T &operator[](int i) { CHECK(i < N); return values[i]; } }; } }
extern template struct one::array<long>;
template struct one::array<char, 7>;
struct base { base(); virtual int f(int) const; virtual ~base(); };
struct derived final : base { int f(long); int f(int) const override; int unused_member; };
int derived::f(int n) const { static one::array<int> a; auto l = [&](auto x) { return a[x] + n; }; return l(1); }
int g(int a, unsigned b) { int unused; return a < b; }
