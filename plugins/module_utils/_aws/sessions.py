# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Open AWS sessions and clients from the user's options; the only file that imports botocore."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import threading
import traceback
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure, FailureKind, failure, kind_of
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions

# botocore alone: boto3's resources and sessions add import time and nothing that is used here.
try:
    import botocore
    import botocore.auth
    import botocore.awsrequest
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.parsers
    import botocore.session
except ImportError:
    IMPORT_ERROR: str | None = traceback.format_exc()
    AWS_ERRORS: tuple[type[Exception], ...] = ()
    _NEVER_ARRIVED: tuple[type[Exception], ...] = ()
else:
    IMPORT_ERROR = None
    # The last is no relation of the others; a page of a proxy in place of XML raises it.
    AWS_ERRORS = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, botocore.parsers.ResponseParserError)
    _NEVER_ARRIVED = (
        botocore.exceptions.EndpointConnectionError,
        botocore.exceptions.ConnectTimeoutError,
        botocore.exceptions.ProxyConnectionError,
        botocore.exceptions.SSLError,
    )

# The environment variables that botocore itself reads; the first it does not, although every other AWS SDK does.
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_IDENTITY_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SSM",
)

_ATTEMPTS = 10
_ATTEMPTS_UNREACHABLE = 3
_CONNECT_SECONDS = 10
_SERVER_ERROR = 500
_ROLE_SESSION_NAME = "fleet.ssm"


@dataclasses.dataclass(frozen=True)
class Credentials:
    """Keys that sign requests now; ask again before each use, they may have been renewed."""

    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    token: str | None = dataclasses.field(repr=False)


class AwsSession:
    """Clients and credentials of one identity in one region; any thread may ask for them."""

    def __init__(self, session: t.Any, options: AwsOptions, region: str) -> None:
        self._session = session
        self._options = options
        self._clients: dict[tuple[str, str], t.Any] = {}
        # botocore's clients are for any thread, but its sessions, which make them, are not.
        self._making = threading.Lock()
        self.region = region

    def client(self, service: str, region: str | None = None) -> t.Any:
        """Give the client of a service, made once."""
        key = (service, region or self.region)
        with self._making:
            if key not in self._clients:
                with explained(service, key[1], self._options.endpoint_url):
                    self._clients[key] = _create_client(self._session, self._options, *key)
            return self._clients[key]

    def endpoint(self, service: str) -> str:
        """Say where the client of a service sends its requests."""
        return str(self.client(service).meta.endpoint_url)

    def credentials(self) -> Credentials:
        """Give the keys in use now, renewed if they are about to expire."""
        with explained("sts", self.region, self._options.endpoint_url):
            found = self._session.get_credentials()
            if found is None:
                raise botocore.exceptions.NoCredentialsError()
            frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    @property
    def access_key(self) -> str:
        """Name the access key in use and where it comes from: ``AKIA… (env)``; this is no secret."""
        with explained("sts", self.region, self._options.endpoint_url):
            found = self._session.get_credentials()
            if found is None:
                raise botocore.exceptions.NoCredentialsError()
            return f"{found.get_frozen_credentials().access_key} ({found.method})"

    @property
    def ca_bundle(self) -> str | None:
        """Name the file with the certificate authorities to trust; None: the system's."""
        # botocore knows AWS_CA_BUNDLE and the profile's ca_bundle, and requests' variable besides.
        found = self._session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        return str(found) if found else None

    def signed_headers(self, url: str, service: str) -> dict[str, str]:
        """Give the headers that sign (SigV4) a GET of a URL, as a websocket's opening request is."""
        request = botocore.awsrequest.AWSRequest("GET", url)
        with explained(service, self.region, url):
            credentials = self._session.get_credentials()
            if credentials is None:
                raise botocore.exceptions.NoCredentialsError()
            botocore.auth.SigV4Auth(credentials.get_frozen_credentials(), service, self.region).add_auth(request)
        return dict(request.headers.items())

    @property
    def account(self) -> str:
        """Give the account id of the identity in use."""
        return str(self._identity["Account"])

    @property
    def partition(self) -> str:
        """Give the partition that ARNs start with: aws, aws-cn, aws-us-gov and so on."""
        return str(self._identity["Arn"]).split(":")[1]

    @functools.cached_property
    def _identity(self) -> dict[str, t.Any]:
        client = self.client("sts")
        with explained("sts", self.region, client.meta.endpoint_url):
            answer: dict[str, t.Any] = client.get_caller_identity()
            return answer


def open_session(options: AwsOptions) -> AwsSession:
    """Open a session; AwsFailure says what is missing. No request is sent yet."""
    if IMPORT_ERROR is not None:
        raise AwsFailure(
            "The Python library botocore is missing. Install boto3 (pip install boto3) for the Python that runs this.",
            FailureKind.SETUP,
        )
    with explained():
        session = _plain_session(options)
        region = options.region or _region_of(session)
        if not region:
            raise botocore.exceptions.NoRegionError()
        if options.access_key:
            _set_keys(session, options)
        if options.assume_role_arn:
            session = _assume_role(session, options, region)
    return AwsSession(session, options, region)


@contextlib.contextmanager
def explained(service: str = "ssm", region: str | None = None, endpoint: str | None = None, resource: str = "") -> t.Iterator[None]:
    """Turn the errors of botocore inside the block into AwsFailure."""
    try:
        yield
    except AWS_ERRORS as error:
        raise failure(error, service=service, region=region or "", endpoint=endpoint or "", resource=resource) from error


def option_name(member: str) -> str:
    """Give the option name of a member of an AWS shape: IamRole is iam_role, KMSKeyId is kms_key_id."""
    return str(botocore.xform_name(member))


def _plain_session(options: AwsOptions) -> t.Any:
    session = botocore.session.Session(profile=options.profile)
    if options.ca_bundle:
        session.set_config_variable("ca_bundle", options.ca_bundle)
    return session


def _set_keys(session: t.Any, options: AwsOptions) -> None:
    if not options.secret_key:
        raise botocore.exceptions.PartialCredentialsError(provider="the option access_key", cred_var="secret_key")
    session.set_credentials(options.access_key, options.secret_key, options.session_token)


def environment() -> dict[str, str]:
    """Give the variables by which the environment chooses account, region or endpoint, to tell one identity from another."""
    return {name: os.environ[name] for name in (*_IDENTITY_VARIABLES, *_REGION_VARIABLES) if os.environ.get(name)}


def _region_of(session: t.Any) -> str | None:
    from_environment = (os.environ.get(name) for name in _REGION_VARIABLES)
    return next((region for region in from_environment if region), None) or session.get_config_variable("region")


def _create_client(session: t.Any, options: AwsOptions, service: str, region: str, **keys: str | None) -> t.Any:
    try:
        client = session.create_client(
            service, region_name=region, endpoint_url=options.endpoint_url, config=_config(session, service), **keys
        )
    except AWS_ERRORS:  # some of them, such as InvalidRegionError, are a ValueError too
        raise
    except ValueError as error:  # an endpoint that is no URL
        advice = "Give endpoint_url as a whole URL, such as https://ssm.eu-west-1.amazonaws.com."
        raise AwsFailure(f"{error}. {advice}", FailureKind.SETUP) from error
    client.meta.events.register_first(f"needs-retry.{client.meta.service_model.service_id.hyphenize()}", _give_up_unreachable)
    return client


def _config(session: t.Any, service: str) -> t.Any:
    """Wait out throttling, unless the user's environment or profile says how to retry."""
    said = {
        **session.get_scoped_config(),
        **{name.lower()[4:]: value for name, value in os.environ.items() if name.startswith("AWS_")},
    }
    retries: t.Any = {
        "mode": said.get("retry_mode", "adaptive"),
        "total_max_attempts": int(said.get("max_attempts", _ATTEMPTS)),
    }
    # botocore presigns URLs of S3 as in 2006 where nobody says otherwise, which neither new regions nor KMS keys accept.
    signing: dict[str, t.Any] = {"signature_version": "s3v4"} if service == "s3" else {}
    return botocore.config.Config(retries=retries, connect_timeout=_CONNECT_SECONDS, user_agent_extra="fleet.ssm", **signing)


def _give_up_unreachable(attempts: int, caught_exception: Exception | None = None, **_: t.Any) -> None:
    """Tell of an endpoint that cannot be reached within seconds; the many attempts are for throttling, not for a typing error."""
    if isinstance(caught_exception, _NEVER_ARRIVED) and attempts >= _ATTEMPTS_UNREACHABLE:
        raise caught_exception


def leave_throttling_to_caller(client: t.Any) -> None:
    """Have a client tell of throttling at once, for a caller who paces its calls itself; other trouble is retried as ever."""
    client.meta.events.register_first(f"needs-retry.{client.meta.service_model.service_id.hyphenize()}", _give_up_throttled)


def _give_up_throttled(operation: t.Any, response: tuple[t.Any, dict[str, t.Any]] | None = None, **_: t.Any) -> None:
    if response is not None and response[1].get("Error"):
        error = botocore.exceptions.ClientError(response[1], operation.name)  # type: ignore[arg-type]
        if kind_of(error) is FailureKind.THROTTLED:
            raise error


def send_once(client: t.Any, operation: str) -> None:
    """Have a client not repeat a request that may have arrived, of an operation that has no token to tell it by."""
    event = f"needs-retry.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register_first(event, _give_up_uncertain, unique_id=f"send-once-{operation}")


def _give_up_uncertain(
    operation: t.Any, response: tuple[t.Any, dict[str, t.Any]] | None = None, caught_exception: Exception | None = None, **_: t.Any
) -> None:
    if caught_exception is not None and not isinstance(caught_exception, _NEVER_ARRIVED):
        raise caught_exception
    if response is not None and response[0].status_code >= _SERVER_ERROR:
        error = botocore.exceptions.ClientError(response[1], operation.name)  # type: ignore[arg-type]
        if kind_of(error) is not FailureKind.THROTTLED:
            raise error


class _RoleProvider:
    """What botocore asks for credentials: those of the role, renewed before they expire."""

    METHOD = "fleet.ssm"

    def __init__(self, fetch: t.Callable[[], t.Any]) -> None:
        self._fetch = fetch

    def load(self) -> t.Any:
        return botocore.credentials.DeferredRefreshableCredentials(method="assume-role", refresh_using=self._fetch)


def _assume_role(source: t.Any, options: AwsOptions, region: str) -> t.Any:
    credentials = source.get_credentials()
    if credentials is None:
        raise botocore.exceptions.NoCredentialsError()
    extra = {"RoleSessionName": options.role_session_name or _ROLE_SESSION_NAME}
    if options.external_id:
        extra["ExternalId"] = options.external_id
    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client_creator=functools.partial(_create_client, source, options, region=region),
        source_credentials=credentials,
        role_arn=options.assume_role_arn or "",
        extra_args=extra,
    )
    session = _plain_session(options)
    provider: t.Any = _RoleProvider(fetcher.fetch_credentials)
    resolver = botocore.credentials.CredentialResolver([provider])
    session.register_component("credential_provider", resolver)
    return session
