#!/bin/sh
# Starts the KCL MultiLangDaemon with the settings beside this file and those of the environment: STREAM, APPLICATION,
# AWS_REGION, WORKER and CONSUME (the child's command), which it writes to the file SETTINGS. JARS is the folder of its class
# path.
set -eu
here=$(dirname "$(readlink -f "$0")")
settings=${SETTINGS:-$(mktemp -t kcl.XXXXXX.properties)}

sed "${STREAM:+/^streamName/d;}${APPLICATION:+/^applicationName/d;}${AWS_REGION:+/^regionName/d;}${WORKER:+/^workerIdentifier/d;}${CONSUME:+/^executableName/d;}" \
    "$here/kcl.properties" >"$settings"
for setting in streamName="${STREAM:-}" applicationName="${APPLICATION:-}" regionName="${AWS_REGION:-}" \
    workerIdentifier="${WORKER:-}" executableName="${CONSUME:-}"; do
    [ -z "${setting#*=}" ] || echo "$setting" >>"$settings"
done
[ -z "${AWS_ENDPOINT_URL_KINESIS:-}" ] || echo "kinesisEndpoint = $AWS_ENDPOINT_URL_KINESIS" >>"$settings"
[ -z "${AWS_ENDPOINT_URL_DYNAMODB:-}" ] || echo "dynamoDBEndpoint = $AWS_ENDPOINT_URL_DYNAMODB" >>"$settings"

# The daemon takes SIGTERM itself, so it replaces this shell.
# shellcheck disable=SC2086
exec java ${JAVA_OPTIONS:--Xmx256m} -cp "${JARS:-$here/jars}/*" \
    software.amazon.kinesis.multilang.MultiLangDaemon -p "$settings" -l "$here/logback.xml"
