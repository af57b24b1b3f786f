struct shape { int width; };
int hints(struct shape *shape)
{
    int length = strlen("x");
    printf("%d", shape->widht, lenght);
    fprint(stderr);
    return sizeof(uint32_t) + shape.width + 08;
}
enum color { red, green, blue };
int name(enum color c) { switch (c) { case red: return 1; case green: break; } if (c); return c == 7; }
