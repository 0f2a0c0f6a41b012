/* api_said.c - what the agent of a task says, for a client that streams: as it comes, and made harmless. A client that is slower
 * than the model gets the rest of a reply from the record, once the reply is in it; nothing piles up here. What a reply said that
 * broke off cannot be taken back: the client is told so. */
#include <string.h>

#include "cli/api_openai.h"

#include "base/banned.h"

static const char broke_off[] = "\n\n[The reply broke off here; it is said anew.]";

static bool has_room(const struct api_chat *chat)
{
	return http_stream_waiting(chat->conn) < LIMIT_HTTP_BUFFER_BYTES;
}

static void tell(struct api_chat *chat, const struct buf *clean)
{
	chat->any |= clean->len > 0;
	chat_content(chat, buf_str(clean));
}

/* What is said in several turns are paragraphs of one answer. */
static void feed(struct api_chat *chat, struct str text)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_REPLY_TEXT_BYTES * 16);

	if (chat->told == 0 && chat->any && text.len > 0)
		buf_add_text(&clean, "\n\n");
	reveal_add(&chat->text, text, &clean);
	chat->told += (int64_t)text.len;
	tell(chat, &clean);
}

static void end_reply(struct api_chat *chat, struct str text, int64_t seq)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_REVEAL_BYTES * 16);

	reveal_end(&chat->text, true, &clean);
	tell(chat, &clean);
	sha256_hex1(text, chat->shown);
	chat->told = 0;
	chat->seq = seq;
}

void said_live(struct api_chat *chat, struct str text)
{
	if (chat->said < 0)
		return;
	if (!chat->behind && chat->told == chat->said && has_room(chat))
		feed(chat, text);
	chat->said += (int64_t)text.len;
}

void said_missed(struct api_chat *chat)
{
	chat->behind = true;
	chat->said = -1;
}

static struct str text_of(const struct event *event)
{
	const json_t *text = json_object_get(event->data, "text");

	return (struct str){ json_is_string(text) ? json_string_value(text) : "", json_string_length(text) };
}

/* A reply is part of the record: it was told already, or is read from there. */
static void on_reply(struct api_chat *chat, const struct event *event)
{
	struct str text = text_of(event);

	if (!chat->behind && chat->told == chat->said && chat->told == (int64_t)text.len)
		end_reply(chat, text, event->seq);
	else
		chat->behind = true;
	chat->said = 0;
}

static void on_failure(struct api_chat *chat)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_REVEAL_BYTES * 16);

	chat->said = 0;
	if (chat->behind || chat->told == 0)
		return;
	reveal_end(&chat->text, true, &clean);
	buf_add_text(&clean, broke_off);
	tell(chat, &clean);
	chat->told = 0;
}

bool said_event(struct api_chat *chat, const struct event *event)
{
	if (event->type == EVENT_MODEL_REQUESTED)
		chat->said = 0;
	else if (event->type == EVENT_MODEL_FAILED)
		on_failure(chat);
	else if (event->type == EVENT_MODEL_REPLIED)
		on_reply(chat, event);
	return chat->behind;
}

/* ---- from the record ---- */

static bool visit(void *userdata, const struct event_row *row)
{
	struct api_chat *chat = userdata;
	AUTO(json_decrefp) json_t *event = NULL;
	struct str text = { "", 0 };

	if (json_parse(row->text, &event, NULL) == 0)
		text = text_of(&(struct event){ .data = json_object_get(event, "data") });
	while (chat->told < (int64_t)text.len && has_room(chat)) {
		struct str rest = str_skip(text, (size_t)chat->told);
		feed(chat, (struct str){ rest.ptr, MIN(rest.len, (size_t)LIMIT_CHAT_AGAIN_BYTES) });
	}
	if (chat->told >= (int64_t)text.len)
		end_reply(chat, text, row->seq);
	return chat->told == 0 && has_room(chat);
}

void said_again(struct api *api, struct api_chat *chat)
{
	while (chat->behind && has_room(chat)) {
		struct event_filter filter = { .task = chat->task, .type = "model.replied", .after_seq = chat->seq,
		                               .limit = LIMIT_STREAM_PAGE, .with_content = true };
		int64_t before = chat->seq;
		if (store_events(api->serve->s.store, &filter, visit, chat, NULL) < 0)
			return; /* it is tried again when there is room, or a sign of life is due */
		if (chat->told == 0 && chat->seq == before)
			chat->behind = false;
	}
}

void said_result(struct api_chat *chat, const char *result)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_REPLY_TEXT_BYTES * 16);
	char digest[SHA256_HEX_LEN + 1];

	sha256_hex1(str_of(result), digest);
	if (strcmp(digest, chat->shown) == 0 || result[0] == '\0')
		return;
	reveal_end(&chat->text, false, &clean);
	if (chat->any)
		buf_add_text(&clean, "\n\n");
	reveal_add(&chat->text, str_of(result), &clean);
	reveal_end(&chat->text, true, &clean);
	tell(chat, &clean);
}
