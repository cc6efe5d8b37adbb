# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Turn an error of botocore into one sentence that says what happened and what to do next."""

from __future__ import annotations

import enum
import re
import typing as t


class FailureKind(enum.Enum):
    """What went wrong, for callers that can do something about it."""

    DENIED = "denied"
    EXPIRED = "expired"
    CREDENTIALS = "credentials"
    REGION = "region"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    TLS = "tls"
    SETUP = "setup"
    UNSUPPORTED = "unsupported"
    OTHER = "other"


class AwsFailure(Exception):
    """An AWS call that failed for good; its text is ready for the user."""

    def __init__(self, sentence: str, kind: FailureKind = FailureKind.OTHER, code: str = "") -> None:
        super().__init__(sentence)
        self.kind = kind
        self.code = code


class _Context(t.NamedTuple):
    service: str
    operation: str
    action: str
    resource: str
    region: str
    endpoint: str
    code: str
    message: str


# The words AWS uses: "User: arn:... is not authorized to perform: ssm:StartSession on resource: arn:... because ...".
_NOT_AUTHORIZED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)(?:.*? on resource: (?P<resource>\S+))?")
_ENCODED = re.compile(r"Encoded authorization failure message: \S+")
_URL = re.compile(r'"(https?://[^"]+)"')

# Where IAM's service prefix or action is not botocore's service or operation name.
# Source: the Service Authorization Reference's "service prefix" of each service.
_IAM_PREFIXES = {
    "resourcegroupstaggingapi": "tag",
    "appconfigdata": "appconfig",
    "application-insights": "applicationinsights",
    "servicecatalog-appregistry": "servicecatalog",
}
_IAM_ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadObject": "s3:GetObject", "s3:HeadBucket": "s3:ListBucket"}

_CLOCK_CODES = ("RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture")
# "Signature expired: 20240101T000000Z is now earlier than …", "Signature not yet current: … is still later than …"
_CLOCK = re.compile("Signature expired|not yet current")

_CODES: dict[str, FailureKind] = {
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Client.UnauthorizedOperation", "AuthorizationError"),
        FailureKind.DENIED,
    ),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), FailureKind.EXPIRED),
    **dict.fromkeys(
        (
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "AuthFailure",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "InvalidToken",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            *_CLOCK_CODES,
        ),
        FailureKind.CREDENTIALS,
    ),
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"),
        FailureKind.THROTTLED,
    ),
    **dict.fromkeys(
        (
            "InternalServerError",
            "InternalFailure",
            "InternalError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "RequestTimeout",
        ),
        FailureKind.UNAVAILABLE,
    ),
    **dict.fromkeys(("OptInRequired", "SubscriptionRequiredException"), FailureKind.REGION),
    **dict.fromkeys(
        ("UnknownOperationException", "InvalidAction", "UnsupportedOperationException", "NotImplemented"), FailureKind.UNSUPPORTED
    ),
}

# botocore's exception classes, looked up along the class's ancestors, nearest first. By name, so that this file needs no botocore.
_CLASSES: dict[str, FailureKind] = {
    "NoCredentialsError": FailureKind.CREDENTIALS,
    "PartialCredentialsError": FailureKind.CREDENTIALS,
    "CredentialRetrievalError": FailureKind.CREDENTIALS,
    "NoAuthTokenError": FailureKind.CREDENTIALS,
    "InfiniteLoopConfigError": FailureKind.SETUP,
    "UnauthorizedSSOTokenError": FailureKind.EXPIRED,
    "SSOTokenLoadError": FailureKind.EXPIRED,
    "SSOError": FailureKind.EXPIRED,
    "TokenRetrievalError": FailureKind.EXPIRED,
    "LoginTokenLoadError": FailureKind.EXPIRED,
    "LoginRefreshRequired": FailureKind.EXPIRED,
    "NoRegionError": FailureKind.REGION,
    "InvalidRegionError": FailureKind.REGION,
    "SSLError": FailureKind.TLS,
    "ProxyConnectionError": FailureKind.UNREACHABLE,
    "HTTPClientError": FailureKind.UNREACHABLE,
    "ConnectionError": FailureKind.UNREACHABLE,
    "ProfileNotFound": FailureKind.SETUP,
    "ConfigNotFound": FailureKind.SETUP,
    "ConfigParseError": FailureKind.SETUP,
    "InvalidConfigError": FailureKind.SETUP,
    "UnknownServiceError": FailureKind.UNSUPPORTED,
    "UnknownCredentialError": FailureKind.SETUP,
}

_NO_REGION = (
    "No AWS region is known. Set the option region, the environment variable AWS_REGION or AWS_DEFAULT_REGION,"
    " or a region in the AWS profile."
)


def kind_of(error: BaseException) -> FailureKind:
    """Say which kind of failure an error of botocore is."""
    if isinstance(error, AwsFailure):
        return error.kind
    code = _answer(error).get("Code")
    if code is not None:
        return _CODES.get(str(code), FailureKind.OTHER)
    names = (ancestor.__name__ for ancestor in type(error).__mro__)
    return next((_CLASSES[name] for name in names if name in _CLASSES), FailureKind.OTHER)


def code_of(error: BaseException) -> str:
    """Give the error code AWS answered, or the class of botocore's own error."""
    if isinstance(error, AwsFailure):
        return error.code
    return str(_answer(error).get("Code") or type(error).__name__)


def explain(error: BaseException, *, service: str = "ssm", region: str = "", endpoint: str = "", resource: str = "") -> str:
    """Say in one sentence, or two, what failed and what to do; the keywords are what the error itself may not carry."""
    if isinstance(error, AwsFailure):
        return str(error)
    context = _context(error, service, region, endpoint, resource)
    return _SENTENCES[kind_of(error)](context)


def failure(error: BaseException, **about: str) -> AwsFailure:
    """Wrap an error of botocore, explained; the keywords are those of explain."""
    if isinstance(error, AwsFailure):
        return error
    return AwsFailure(explain(error, **about), kind_of(error), code_of(error))


def iam_action(service: str, operation: str) -> str:
    """Name the IAM action that allows an operation."""
    action = f"{_IAM_PREFIXES.get(service, service)}:{operation}"
    return _IAM_ACTIONS.get(action, action)


def _answer(error: BaseException) -> dict[str, t.Any]:
    response = getattr(error, "response", None)
    return response.get("Error", {}) if isinstance(response, dict) else {}


def _context(error: BaseException, service: str, region: str, endpoint: str, resource: str) -> _Context:
    message = str(_answer(error).get("Message") or error).strip()
    operation = getattr(error, "operation_name", None) or ""
    denied = _NOT_AUTHORIZED.search(message)
    action = denied.group("action") if denied else iam_action(service, operation or "*")
    url = _URL.search(message)
    return _Context(
        service=service,
        operation=operation,
        action=action,
        resource=(denied.group("resource") if denied else None) or resource,
        region=region,
        endpoint=endpoint or (url.group(1) if url else ""),
        code=code_of(error),
        message=_ENCODED.sub("", message).strip().rstrip("."),
    )


def _denied(about: _Context) -> str:
    on = f" on {about.resource}" if about.resource else ""
    return (
        f"AWS denied {about.action}{on}. Allow the IAM action {about.action}{on} for the identity in use."
        f" AWS said: {about.message}."
    )


def _expired(about: _Context) -> str:
    return (
        "The AWS credentials have expired. Log in again (aws sso login, aws login) or renew the session token, then repeat."
        f" AWS said: {about.message}."
    )


def _credentials(about: _Context) -> str:
    if about.code == "NoCredentialsError":
        return (
            "No AWS credentials were found. Set the option profile, or AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
            " or run where an instance role is attached."
        )
    if about.code in _CLOCK_CODES or _CLOCK.search(about.message):
        return f"AWS refused the time in the request's signature. Set this machine's clock right (NTP). AWS said: {about.message}."
    return (
        "AWS does not accept the credentials. Check the access key, secret key and session token, and that they belong to this"
        f" partition and account. The reason given: {about.message}."
    )


def _region(about: _Context) -> str:
    if about.code == "NoRegionError":
        return _NO_REGION
    if about.code == "InvalidRegionError":
        return f"{about.message}. Give a region by its code, such as eu-west-1."
    return f"The account cannot use {about.service} in the region {about.region or 'in use'}. AWS said: {about.message}."


def _unreachable(about: _Context) -> str:
    where = about.endpoint or f"the {about.service} endpoint" + (f" of {about.region}" if about.region else "")
    return (
        f"{where} cannot be reached. Check the region, endpoint_url, DNS, the proxy variables, and the VPC endpoints"
        f" if there is no way to the internet. The reason given: {about.message}."
    )


def _throttled(about: _Context) -> str:
    return (
        f"AWS kept throttling {about.service}:{about.operation} after all retries. Run fewer at once, or raise AWS_MAX_ATTEMPTS."
        f" AWS said: {about.message}."
    )


def _unavailable(about: _Context) -> str:
    return f"{about.service}:{about.operation} failed on AWS's side with {about.code}. Try again later. AWS said: {about.message}."


def _tls(about: _Context) -> str:
    return (
        f"The certificate of {about.endpoint or 'the AWS endpoint'} is not trusted. Set ca_bundle or AWS_CA_BUNDLE to the file with"
        f" the certificate authority (of your proxy, for instance). The reason given: {about.message}."
    )


def _setup(about: _Context) -> str:
    return f"The AWS configuration cannot be used: {about.message}. Check ~/.aws/config, ~/.aws/credentials and the option profile."


def _unsupported(about: _Context) -> str:
    return f"{about.service}:{about.operation or '*'} is not known here ({about.message}). Update botocore, or use another region."


def _other(about: _Context) -> str:
    what = f"{about.service}:{about.operation} failed" if about.operation else f"A call to {about.service} failed"
    code = f" with {about.code}" if about.code not in about.message else ""
    return f"{what}{code}: {about.message}."


_SENTENCES: dict[FailureKind, t.Callable[[_Context], str]] = {
    FailureKind.DENIED: _denied,
    FailureKind.EXPIRED: _expired,
    FailureKind.CREDENTIALS: _credentials,
    FailureKind.REGION: _region,
    FailureKind.UNREACHABLE: _unreachable,
    FailureKind.THROTTLED: _throttled,
    FailureKind.UNAVAILABLE: _unavailable,
    FailureKind.TLS: _tls,
    FailureKind.SETUP: _setup,
    FailureKind.UNSUPPORTED: _unsupported,
    FailureKind.OTHER: _other,
}
