/*
 * The authentication method K8S-SAT for mosquitto 2.0 (plugin interface version 5).
 *
 * AuthenticationData is a Kubernetes service account token: a JWT signed with RS256. A client is let in when the
 * signature fits the public key, the audience is among the token's, and the token has not expired. Any other method
 * is answered "bad authentication method" (0x8C), any other token "not authorized" (0x87).
 *
 * Options: plugin_opt_public_key_file, the issuer's public key in PEM; plugin_opt_audience.
 * The token itself is never logged.
 */
#include <cjson/cJSON.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

enum { LONGEST_KEY = 8192, LONGEST_AUDIENCE = 256 };

struct verifier {
	mosquitto_plugin_id_t *identifier;
	unsigned char key[LONGEST_KEY];
	int key_length;
	char audience[LONGEST_AUDIENCE];
};

static const char *option(const struct mosquitto_opt *options, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(options[i].key, name) == 0) {
			return options[i].value;
		}
	}
	return NULL;
}

static int read_key(struct verifier *verifier, const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		return MOSQ_ERR_ERRNO;
	}
	verifier->key_length = (int)fread(verifier->key, 1, sizeof verifier->key, file);
	fclose(file);
	return verifier->key_length > 0 ? MOSQ_ERR_SUCCESS : MOSQ_ERR_INVAL;
}

/* RFC 7519, 4.1.3: `aud` is one string or an array of strings. */
static bool names_audience(const cJSON *claim, const char *audience)
{
	if (cJSON_IsString(claim)) {
		return strcmp(claim->valuestring, audience) == 0;
	}
	const cJSON *entry = NULL;
	cJSON_ArrayForEach(entry, claim) {
		if (cJSON_IsString(entry) && strcmp(entry->valuestring, audience) == 0) {
			return true;
		}
	}
	return false;
}

static bool has_audience(jwt_t *token, const char *audience)
{
	char *text = jwt_get_grants_json(token, "aud");
	cJSON *claim = cJSON_Parse(text);
	bool found = names_audience(claim, audience);
	cJSON_Delete(claim);
	free(text);
	return found;
}

/* Why the token is refused, or NULL. */
static const char *fault_in_claims(jwt_t *token, const char *audience)
{
	/* Without this an HMAC keyed with the public key would pass for a signature. */
	if (jwt_get_alg(token) != JWT_ALG_RS256) {
		return "not signed with RS256";
	}
	/* A missing `exp` reads as 0, which is long past. */
	if (jwt_get_grant_int(token, "exp") <= (long)time(NULL)) {
		return "expired";
	}
	if (!has_audience(token, audience)) {
		return "meant for another audience";
	}
	return NULL;
}

static const char *judge(const struct verifier *verifier, const char *text, struct mosquitto *client)
{
	jwt_t *token = NULL;

	if (jwt_decode(&token, text, verifier->key, verifier->key_length) != 0) {
		return "not a token of this issuer";
	}
	const char *fault = fault_in_claims(token, verifier->audience);
	if (fault == NULL && mosquitto_set_username(client, jwt_get_grant(token, "sub")) != MOSQ_ERR_SUCCESS) {
		fault = "without a usable subject";
	}
	jwt_free(token);
	return fault;
}

/* Serves the first AUTH exchange of a CONNECT and re-authentication alike: both are complete in one step. */
static int authenticate(int event, void *event_data, void *user_data)
{
	const struct verifier *verifier = user_data;
	struct mosquitto_evt_extended_auth *request = event_data;
	(void)event;

	if (strcmp(request->auth_method, "K8S-SAT") != 0) {
		return MOSQ_ERR_NOT_SUPPORTED;
	}
	char *text = calloc(1, (size_t)request->data_in_len + 1);
	if (text == NULL) {
		return MOSQ_ERR_NOMEM;
	}
	if (request->data_in_len > 0) {
		memcpy(text, request->data_in, request->data_in_len);
	}
	/* A NUL inside would hide what follows it from the check of the signature. */
	const char *fault = strlen(text) == request->data_in_len ? judge(verifier, text, request->client) : "malformed";
	free(text);
	if (fault != NULL) {
		mosquitto_log_printf(MOSQ_LOG_NOTICE, "K8S-SAT: %s: token %s", mosquitto_client_id(request->client), fault);
		return MOSQ_ERR_AUTH;
	}
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
	for (int i = 0; i < supported_version_count; i++) {
		if (supported_versions[i] == MOSQ_PLUGIN_VERSION) {
			return MOSQ_PLUGIN_VERSION;
		}
	}
	return -1;
}

static int subscribe(struct verifier *verifier)
{
	int result = mosquitto_callback_register(verifier->identifier, MOSQ_EVT_EXT_AUTH_START, authenticate, NULL, verifier);
	if (result != MOSQ_ERR_SUCCESS) {
		return result;
	}
	return mosquitto_callback_register(verifier->identifier, MOSQ_EVT_EXT_AUTH_CONTINUE, authenticate, NULL, verifier);
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **user_data, struct mosquitto_opt *options,
                          int option_count)
{
	const char *key_file = option(options, option_count, "public_key_file");
	const char *audience = option(options, option_count, "audience");
	if (key_file == NULL || audience == NULL || strlen(audience) >= LONGEST_AUDIENCE) {
		mosquitto_log_printf(MOSQ_LOG_ERR, "K8S-SAT: public_key_file and audience are both needed");
		return MOSQ_ERR_INVAL;
	}
	struct verifier *verifier = calloc(1, sizeof *verifier);
	if (verifier == NULL) {
		return MOSQ_ERR_NOMEM;
	}
	*user_data = verifier;
	verifier->identifier = identifier;
	strcpy(verifier->audience, audience);
	if (read_key(verifier, key_file) != MOSQ_ERR_SUCCESS) {
		mosquitto_log_printf(MOSQ_LOG_ERR, "K8S-SAT: cannot read %s", key_file);
		return MOSQ_ERR_INVAL;
	}
	return subscribe(verifier);
}

int mosquitto_plugin_cleanup(void *user_data, struct mosquitto_opt *options, int option_count)
{
	struct verifier *verifier = user_data;
	(void)options;
	(void)option_count;

	mosquitto_callback_unregister(verifier->identifier, MOSQ_EVT_EXT_AUTH_START, authenticate, NULL);
	mosquitto_callback_unregister(verifier->identifier, MOSQ_EVT_EXT_AUTH_CONTINUE, authenticate, NULL);
	free(verifier);
	return MOSQ_ERR_SUCCESS;
}
