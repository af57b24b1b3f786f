int before;
#error this ends it
int after = ;
