/* cmd_completion.c - completion for a shell: a short script, which asks this program what may stand where the cursor is. The
 * scripts know no command and evaluate nothing that the program answers. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/complete.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--for", 0, NULL, "print what may stand in the place of the last of the words behind --", false },
};

/* bash takes "=" and ":" for ends of words; mishri does not. So the words are those between spaces, and what stands before
 * the last "=" or ":" is on the line already. */
static const char bash_script[] =
	"# mishri completion for bash: source <(mishri completion bash)\n"
	"_mishri() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} last=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} word rest before\n"
	"\tlocal -a words\n"
	"\tread -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] && words+=('')\n"
	"\tword=${words[${#words[@]}-1]}\n"
	"\t[[ $last == [=:] ]] && last=\n"
	"\tbefore=${word%\"$last\"}\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS=$'\\t' read -r word rest; do\n"
	"\t\tcase $word in\n"
	"\t\t:files) compopt -o filenames; while read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -f -- \"$last\") ;;\n"
	"\t\t:directories) compopt -o filenames; while read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -d -- \"$last\") ;;\n"
	"\t\t*) [[ $word == *[=/] ]] && compopt -o nospace; COMPREPLY+=(\"${word#\"$before\"}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(\"${program/#\\~/$HOME}\" completion --for -- \"${words[@]:1}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _mishri mishri\n";

static const char zsh_script[] =
	"#compdef mishri\n"
	"# mishri completion for zsh: source <(mishri completion zsh)\n"
	"_mishri() {\n"
	"\tlocal line word\n"
	"\tlocal -a found open texts opened asked\n"
	"\tasked=(\"${(@Q)words[2,CURRENT]}\")\n"
	"\tfor line in \"${(@f)$(${(Q)~words[1]} completion --for -- \"${asked[@]}\" 2>/dev/null)}\"; do\n"
	"\t\tword=${line%%$'\\t'*}\n"
	"\t\tcase $word in\n"
	"\t\t'') ;;\n"
	"\t\t:files) compset -P '--*='; _files ;;\n"
	"\t\t:directories) compset -P '--*='; _files -/ ;;\n"
	"\t\t*[=/]) open+=(\"$word\"); opened+=(\"${word}  ${line#*$'\\t'}\") ;;\n"
	"\t\t*) found+=(\"$word\")\n"
	"\t\t\tif [[ $line == *$'\\t'* ]]; then texts+=(\"${(r:28:)word}  ${line#*$'\\t'}\"); else texts+=(\"$word\"); fi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t(( $#open )) && compadd -S '' -l -d opened -- \"${open[@]}\"\n"
	"\t(( $#found )) && compadd -l -d texts -- \"${found[@]}\"\n"
	"}\n"
	"if [[ \"$funcstack[1]\" == _mishri ]]; then _mishri \"$@\"; else compdef _mishri mishri; fi\n";

static const char fish_script[] =
	"# mishri completion for fish: mishri completion fish | source\n"
	"function __mishri_complete\n"
	"\tset -l words (commandline -opc) (commandline -ct)\n"
	"\tfor line in ($words[1] completion --for -- $words[2..-1] 2>/dev/null)\n"
	"\t\tswitch $line\n"
	"\t\t\tcase :files\n"
	"\t\t\t\t__fish_complete_path (commandline -ct)\n"
	"\t\t\tcase :directories\n"
	"\t\t\t\t__fish_complete_directories (commandline -ct)\n"
	"\t\t\tcase '*'\n"
	"\t\t\t\techo $line\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c mishri -f -a '(__mishri_complete)'\n";

static int completion(int argc, char **argv)
{
	static const struct { const char *shell, *script; } shells[] = {
		{ "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script },
	};
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;

	if (options_parse(&cmd_completion, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	if (option_given(o, "--for")) {
		AUTO(buf_done) struct buf found = BUF_INIT(MIB(1));
		complete((int)count, (char **)words, &found);
		fputs(buf_text(&found), stdout);
		return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
	}
	for (size_t i = 0; i < COUNT(shells) && count == 1; i++) {
		if (strcmp(shells[i].shell, words[0]) == 0) {
			fputs(shells[i].script, stdout);
			return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
		}
	}
	return complain(EXIT_USAGE, "completion: name one shell: bash, zsh or fish");
}

const struct command cmd_completion = {
	.name = "completion", .args = "SHELL", .about = "a completion script for bash, zsh or fish",
	.options = options, .option_count = COUNT(options), .run = completion,
	.examples = "  source <(mishri completion bash)\n  mishri completion fish | source\n"
	            "  mishri completion --for -- trace --format ''\n",
};
