/* schema_suite.c - runs files of the public JSON Schema test suite: [{"schema","tests":[{"data","valid"}]}]. One JSON line for each test
 * that went another way than the suite says, and one for each file at its end.
 *
 *   schema_suite [--format-assertion] FILE... */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "tools/schema.h"

static void tell(const char *file, const json_t *group, const json_t *test, const char *got)
{
	json_t *line = json_object();

	json_put_text(line, "file", file);
	json_put_text(line, "group", json_get_text(group, "description", ""));
	json_put_text(line, "test", json_get_text(test, "description", ""));
	json_put_bool(line, "valid", json_get_bool(test, "valid", false));
	json_put_text(line, "got", got);
	char *text = json_text(line);
	puts(text);
	free(text);
	json_decref(line);
}

static void run_group(const char *file, const json_t *group, unsigned flags, int *passed, int *failed)
{
	struct schema *schema = NULL;
	struct err why = ERR_NONE, err;
	size_t i;
	json_t *test;
	int r = schema_compile(json_object_get(group, "schema"), 0, &schema, &why);

	json_array_foreach(json_object_get(group, "tests"), i, test) {
		err = why;
		bool valid = r == 0 && schema_validate(schema, json_object_get(test, "data"), flags, &err) == 0;
		bool fine = r == 0 && valid == json_get_bool(test, "valid", false);
		*(fine ? passed : failed) += 1;
		if (!fine)
			tell(file, group, test, r < 0 || !valid ? err.text : "valid");
	}
	schema_free(schema);
}

int main(int argc, char **argv)
{
	unsigned flags = SCHEMA_LOCATE;

	for (int a = 1; a < argc; a++) {
		struct buf text = BUF_INIT(MIB(16));
		struct err err;
		json_t *groups = NULL, *group;
		int passed = 0, failed = 0;
		size_t i;
		if (strcmp(argv[a], "--format-assertion") == 0) {
			flags |= SCHEMA_FORMATS;
			continue;
		}
		if (io_read_file(argv[a], &text, &err) < 0 || json_parse_any(buf_str(&text), &groups, &err) < 0) {
			fprintf(stderr, "%s: %s\n", argv[a], err.text);
			return 2;
		}
		json_array_foreach(groups, i, group)
			run_group(argv[a], group, flags, &passed, &failed);
		printf("{\"done\":\"%s\",\"passed\":%d,\"failed\":%d}\n", argv[a], passed, failed);
		json_decref(groups);
		buf_done(&text);
	}
	return 0;
}
