/* err.c - formats error sentences; knows nothing of what they are about. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

int err_set(struct err *err, int code, const char *format, ...)
{
	assert(code > 0);
	if (err != NULL) {
		va_list args;
		va_start(args, format);
		vsnprintf(err->text, sizeof err->text, format, args);
		va_end(args);
		err->code = code;
	}
	return -code;
}

int err_sys(struct err *err, const char *format, ...)
{
	int code = errno != 0 ? errno : EIO;

	if (err != NULL) {
		va_list args;
		va_start(args, format);
		vsnprintf(err->text, sizeof err->text, format, args);
		va_end(args);
		size_t len = strlen(err->text);
		snprintf(err->text + len, sizeof err->text - len, ": %s", strerror(code));
		err->code = code;
	}
	return -code;
}

int err_prefix(struct err *err, const char *format, ...)
{
	if (err == NULL)
		return -EIO;

	char before[LIMIT_ERR_TEXT_BYTES];
	memcpy(before, err->text, sizeof before);
	va_list args;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	size_t len = strlen(err->text);
	snprintf(err->text + len, sizeof err->text - len, ": %s", before);
	return err->code != 0 ? -err->code : -EIO;
}
