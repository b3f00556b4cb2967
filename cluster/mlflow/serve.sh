#!/usr/bin/env bash
# Starts the tracking server: PostgreSQL for runs and users, S3 for artifacts, a password for everybody.
# The container's entry point; it runs as well on a bare machine, where it binds the loopback address.
#
# Every setting is an environment variable, so that no secret stands in a file or in the process list:
#   POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB      required; the password must be fit for an URI (hex is)
#   POSTGRES_HOST POSTGRES_PORT                      127.0.0.1 5432
#   MLFLOW_ARTIFACTS                                 required, e.g. s3://mlflow
#   MLFLOW_S3_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY    as boto3 reads them
#   MLFLOW_FLASK_SERVER_SECRET_KEY                   required: signs the cookies of the pages
#   MLFLOW_AUTH_ADMIN_USERNAME MLFLOW_AUTH_ADMIN_PASSWORD    required until the first start has made that user
#   MLFLOW_ALLOWED_HOSTS                             names under which clients may call it
#   MLFLOW_BIND MLFLOW_PORT MLFLOW_WORKERS           127.0.0.1 5000 2
set -euo pipefail

: "${POSTGRES_USER:?}" "${POSTGRES_PASSWORD:?}" "${POSTGRES_DB:?}" "${MLFLOW_ARTIFACTS:?}"
: "${MLFLOW_FLASK_SERVER_SECRET_KEY:?}"

port=${MLFLOW_PORT:-5000}
database="postgresql+pg8000://$POSTGRES_USER:$POSTGRES_PASSWORD@${POSTGRES_HOST:-127.0.0.1}:${POSTGRES_PORT:-5432}/$POSTGRES_DB"
# On the command line the password could be read by every process of the machine.
export MLFLOW_BACKEND_STORE_URI=$database

# MLflow reads the address of its table of users from a file only. It is readable by this user alone; in the container
# it lies in memory.
umask 077
MLFLOW_AUTH_CONFIG_PATH=$(mktemp "${TMPDIR:-/tmp}/mlflow-auth-XXXXXX.ini")
export MLFLOW_AUTH_CONFIG_PATH
cat >"$MLFLOW_AUTH_CONFIG_PATH" <<INI
[mlflow]
# Everybody with a password may add runs to every experiment: a family's runs share one, whoever made it first.
# With READ, the second person to train a family would be refused.
default_permission = EDIT
database_uri = $database
admin_username = ${MLFLOW_AUTH_ADMIN_USERNAME:-admin}
INI

# Job runners evaluate language models: eight more processes, 1.8 GB, and code of whoever may call them.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
export MLFLOW_DISABLE_TELEMETRY=true

mlflow server --app-name basic-auth \
    --host "${MLFLOW_BIND:-127.0.0.1}" --port "$port" --workers "${MLFLOW_WORKERS:-2}" \
    --artifacts-destination "$MLFLOW_ARTIFACTS" \
    --allowed-hosts "${MLFLOW_ALLOWED_HOSTS:-127.0.0.1:$port,localhost:$port}" &
server=$!
trap 'kill -TERM "$server" 2>/dev/null; wait "$server" || true; rm -f "$MLFLOW_AUTH_CONFIG_PATH"' EXIT
trap 'exit 143' TERM INT
wait "$server"
