/* request.c - words that services take. It changes what is sent back to a service, never what was received. */
#include "llm/request.h"

#include <ctype.h>

#include "base/banned.h"

json_t *request_word(const char *word, size_t max)
{
	struct buf safe = BUF_INIT(max);

	for (size_t i = 0; word[i] != '\0' && i < max; i++) {
		bool plain = isalnum((unsigned char)word[i]) || word[i] == '_' || word[i] == '-';
		buf_add_char(&safe, plain ? word[i] : '_');
	}
	json_t *value = json_string(safe.len > 0 ? buf_text(&safe) : "_");
	buf_done(&safe);
	return value;
}
