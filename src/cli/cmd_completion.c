/* cmd_completion.c - a completion script for a shell, made from the tables of commands and options. What follows
 * an option with a value is left to the shell: files, mostly. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

#include "base/banned.h"

/* Text between single quotes, as the shell wants it. */
static void quoted(const char *text, const char *quote)
{
	putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs(quote, stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

static struct str first_word(const struct command *c)
{
	return (struct str){ c->name, strcspn(c->name, " ") };
}

static const char *second_word(const struct command *c)
{
	const char *space = strchr(c->name, ' ');

	return space != NULL ? space + 1 : NULL;
}

/* Is an earlier row of the same first word? */
static bool repeats(size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq(first_word(command_at(i)), first_word(command_at(at))))
			return true;
	return false;
}

static void first_words(void)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)) != NULL; i++)
		if (!repeats(i))
			printf(" %.*s", STR_ARG(first_word(c)));
}

static void second_words(struct str first)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)) != NULL; i++)
		if (second_word(c) != NULL && str_eq(first_word(c), first))
			printf(" %s", second_word(c));
}

/* Branches of a `case`: what may stand after a command's words. */
static void branches(const char *options, const char *words)
{
	const struct command *c;
	const struct option_row *row;

	for (size_t i = 0; (c = command_at(i)) != NULL; i++) {
		printf("\t'%s%s'*) %s='", c->name, second_word(c) != NULL ? "" : " ", options);
		for (size_t k = 0; (row = command_option(c, k)) != NULL; k++)
			printf(" %s", row->name);
		puts("' ;;");
	}
	puts("\tesac\n\tcase \"$first\" in");
	for (size_t i = 0; (c = command_at(i)) != NULL; i++) {
		if (repeats(i) || second_word(c) == NULL)
			continue;
		printf("\t%.*s) %s='", STR_ARG(first_word(c)), words);
		second_words(first_word(c));
		puts("' ;;");
	}
	puts("\tesac");
}

static void print_bash(void)
{
	puts("# mishri completion for bash: source <(mishri completion bash)\n_mishri() {\n"
	     "\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" first=\"${COMP_WORDS[1]}\" options='' words=''\n"
	     "\tcase \"$first ${COMP_WORDS[2]}\" in");
	branches("options", "words");
	fputs("\tif [ \"$COMP_CWORD\" -eq 1 ]; then words='", stdout);
	first_words();
	puts("'; elif [ \"$COMP_CWORD\" -gt 2 ]; then words=''; fi\n"
	     "\tcase \"$cur\" in -*) words=\"$options\" ;; esac\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _mishri mishri");
}

static void print_zsh(void)
{
	puts("#compdef mishri\n# mishri completion for zsh: source <(mishri completion zsh)\n_mishri() {\n"
	     "\tlocal cur=\"${words[CURRENT]}\" first=\"${words[2]}\" options='' next=''\n"
	     "\tcase \"$first ${words[3]}\" in");
	branches("options", "next");
	fputs("\tif (( CURRENT == 2 )); then next='", stdout);
	first_words();
	puts("'; elif (( CURRENT > 3 )); then next=''; fi\n"
	     "\t[[ \"$cur\" == -* ]] && next=\"$options\"\n"
	     "\tif [[ -n \"$next\" ]]; then compadd -- ${=next}; else _files; fi\n}\n"
	     "if [[ \"$funcstack[1]\" == _mishri ]]; then _mishri \"$@\"; else compdef _mishri mishri; fi");
}

static void fish_command(const struct command *c, bool repeated)
{
	const struct option_row *row;
	AUTO(freep) char *first = xasprintf("%.*s", STR_ARG(first_word(c)));
	AUTO(freep) char *when = second_word(c) == NULL ? xasprintf("__fish_seen_subcommand_from %s", first)
		: xasprintf("__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s", first, second_word(c));

	if (!repeated) {
		printf("complete -c mishri -n __fish_use_subcommand -a %s -d ", first);
		quoted(second_word(c) == NULL ? c->about : first, "\\'");
		putchar('\n');
	}
	if (second_word(c) != NULL) {
		printf("complete -c mishri -n '__fish_seen_subcommand_from %s' -a %s -d ", first, second_word(c));
		quoted(c->about, "\\'");
		putchar('\n');
	}
	for (size_t k = 0; (row = command_option(c, k)) != NULL; k++) {
		printf("complete -c mishri -n '%s' -l %s%s -d ", when, row->name + 2, row->value != NULL ? " -r" : "");
		quoted(row->help, "\\'");
		if (row->short_name != 0)
			printf(" -s %c", row->short_name);
		putchar('\n');
	}
}

static void print_fish(void)
{
	const struct command *c;

	puts("# mishri completion for fish: mishri completion fish | source");
	for (size_t i = 0; (c = command_at(i)) != NULL; i++)
		fish_command(c, repeats(i));
}

static int completion(int argc, char **argv)
{
	static const struct { const char *shell; void (*print)(void); } shells[] = {
		{ "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish },
	};
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;

	if (options_parse(&cmd_completion, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	for (size_t i = 0; i < COUNT(shells) && count == 1; i++) {
		if (strcmp(shells[i].shell, words[0]) == 0) {
			shells[i].print();
			return EXIT_DONE;
		}
	}
	return complain(EXIT_USAGE, "completion: name one shell: bash, zsh or fish");
}

const struct command cmd_completion = {
	.name = "completion", .args = "SHELL", .about = "a completion script for bash, zsh or fish", .run = completion,
	.examples = "  source <(mishri completion bash)\n  mishri completion fish | source\n",
};
