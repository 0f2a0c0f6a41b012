/* ends.h - the three standard streams at both ends of a command: open before it begins, and written when it is over. */
#ifndef MISHRI_CLI_ENDS_H
#define MISHRI_CLI_ENDS_H

/* No file that is opened later becomes standard input, output or error: what is closed fails as if it were closed. */
void ends_open(void);
/* The exit code of the whole: `code`, or EXIT_FAILED with a sentence where output was lost. Whoever stops reading (head,
 * less) has had enough: that is no failure. */
int ends_done(int code);

#endif
