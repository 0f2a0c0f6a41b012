/* fuzz_skill.c - any bytes as a SKILL.md. What is taken has a name that fits its directory, and one line about it. */
#include "engine/instructions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 forgets a buffer of 4 KiB on some malformed scalars; what is ours must not leak. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct err err = ERR_NONE;
	json_t *skill = NULL;

	if (skill_parse("SKILL.md", "release", text, &skill, &err) < 0) {
		if (err.code == 0 || err.text[0] == '\0')
			abort();
		return 0;
	}
	if (strcmp(json_get_text(skill, "name", ""), "release") != 0 || strchr(json_get_text(skill, "description", "\n"), '\n') != NULL)
		abort();
	json_decref(skill);
	return 0;
}
