/* print_events.c - prints the catalogue of events as Markdown; script/docs puts it into docs/events.md. */
#include <stdio.h>

#include "core/event.h"

#include "base/banned.h"

int main(void)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));

	event_document(&text);
	return fputs(buf_text(&text), stdout) == EOF || text.full;
}
