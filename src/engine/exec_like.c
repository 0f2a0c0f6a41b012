/* exec_like.c - a program that waits at the gate, for a person or for a limit, is decided on again when the policy changes:
 * here it is put away and taken out again. It looks at no file anew: the bytes are those that it arrived with, and the cell
 * lets no others start. */
#include "engine/exec_like.h"

#include "base/banned.h"

json_t *exec_shape(const struct cell_exec *exec)
{
	json_t *names = json_array(), *hashes = json_array();

	for (size_t i = 0; i < exec->name_count; i++)
		json_array_append_new(names, json_of_str(str_of(exec->names[i])));
	for (size_t i = 0; i < exec->hash_count; i++)
		json_array_append_new(hashes, json_of_str(str_of(exec->hashes[i])));
	return json_pack("{s:o, s:I, s:I, s:o}", "names", names, "trusted", (json_int_t)exec->trusted_names, "origin",
	                 (json_int_t)exec->origin, "hashes", hashes);
}

static size_t texts_of(const json_t *list, const char **ret, size_t max)
{
	size_t count = MIN(json_array_size(list), max);

	for (size_t i = 0; i < count; i++)
		ret[i] = json_string_value(json_array_get(list, i));
	return count;
}

void exec_like_init(struct exec_like *like, uint32_t id, const json_t *facts, const json_t *shape)
{
	const json_t *argv = json_object_get(facts, "argv");
	struct cell_exec *e = &like->exec;

	*like = (struct exec_like){ .argv = xcalloc(json_array_size(argv) + 1, sizeof *like->argv) };
	*e = (struct cell_exec){
		.id = id, .call = call_tag(json_get_text(facts, "call", "")), .pid = (int)json_get_int(facts, "pid", 0),
		.program = json_get_text(facts, "program", ""), .origin = (int)json_get_int(shape, "origin", ORIGIN_UNTRUSTED),
		.names = like->names, .trusted_names = (size_t)json_get_int(shape, "trusted", 0), .argv = like->argv,
		.cwd = json_get_text(facts, "cwd", ""), .hashes = like->hashes, .why_untrusted = "",
	};
	e->name_count = texts_of(json_object_get(shape, "names"), like->names, COUNT(like->names));
	e->hash_count = texts_of(json_object_get(shape, "hashes"), like->hashes, COUNT(like->hashes));
	e->argc = texts_of(argv, like->argv, json_array_size(argv));
}

void exec_like_done(struct exec_like *like)
{
	free(TAKE(like->argv));
}

void exec_like_decide(const struct run *run, const struct exec_like *like, struct decision *ret)
{
	struct facts facts;

	facts_of(run, &facts);
	exec_decide(run_policy(run), &like->exec, &facts, ret);
}

char *exec_like_refusal(const struct exec_like *like, const char *rule)
{
	struct buf words = BUF_INIT(KIB(8));

	exec_command(&like->exec, rule, &words);
	return buf_take(&words);
}
