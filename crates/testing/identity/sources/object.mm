template <class T> T twice(T t) { return t + t; }
__attribute__((objc_root_class))
@interface Root
- (int)value;
@end
@implementation Root
- (int)value { return twice(3); }
@end
