int choose(int n)
{
    switch (n) {
    case 1: n += 1;
    case 2: n += 2; /* fall through */
    case 3: n += 3; // FALLTHRU
    case 4: n += 4; __attribute__((fallthrough));
    case 5: n += 5;
        /* Nothing that the option knows. */
    default: n = 0;
    }
    return n;
}
