/* health.c - how the store is, and who uses it. It looks, and changes nothing. */
#include "store/internal.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/banned.h"

static int64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

void store_watch(struct store *store, struct beat *beat)
{
	if (store->writer != NULL)
		writer_watch(store->writer, beat);
}

int store_health(struct store *store, struct store_health *ret, struct err *err)
{
	AUTO(freep) char *wal = xasprintf("%s-wal", store->db.path);
	struct statvfs fs;
	AUTO(query_done) struct query q = query_start(&store->db, SQL_EVENTS_LAST, "");
	int r = query_next(&q, err);

	if (r < 0)
		return r;
	*ret = (struct store_health){
		.db_bytes = size_of(store->db.path), .wal_bytes = size_of(wal), .events = r > 0 ? query_int(&q, 0) : 0, .free_bytes = -1,
	};
	if (statvfs(store->db.path, &fs) == 0)
		ret->free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
	if (store->writer != NULL)
		ret->waiting = (int64_t)writer_waiting(store->writer, &ret->broken);
	return 0;
}

static const char *user_name(int64_t uid, char room[static 24])
{
	const struct passwd *user = getpwuid((uid_t)uid);

	snprintf(room, 24, "%lld", (long long)uid);
	return user != NULL ? user->pw_name : room;
}

int store_engines(struct store *store, void (*visit)(void *userdata, const struct engine_row *row), void *userdata,
                  struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_ENGINES_SHOWN, "");
	int r;

	while ((r = query_next(&q, err)) > 0) {
		char room[24];
		enum life life = holder_life(&q, 0);
		struct engine_row row = {
			.engine = query_text(&q, 4), .socket = query_text(&q, 5), .user = user_name(query_int(&q, 6), room),
			.pid = query_int(&q, 0), .leases = query_int(&q, 7),
			.renewed_ms = query_is_null(&q, 8) ? -1 : query_int(&q, 8) - LIMIT_LEASE_MS,
			.life = life == LIFE_ALIVE ? ENGINE_ALIVE : life == LIFE_GONE ? ENGINE_GONE : ENGINE_UNKNOWN,
		};
		visit(userdata, &row);
	}
	return r;
}
