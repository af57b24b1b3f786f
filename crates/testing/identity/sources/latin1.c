const char *latin1 = "Grüße"; /* ä */
int x = "ÿ";
