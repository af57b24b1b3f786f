#import "common.h"
__attribute__((objc_root_class))
@interface Root
{
    int value;
}
- (int)value;
@end
@implementation Root
- (int)value { int unused; return MAX(value, 2u); }
@end
