"""What the service model asks for: operations, their errors, their pages, the limits of their requests, the members of their answers."""

import botocore.loaders
import botocore.session
from botocore import xform_name

SERVICE = "ivs-realtime"
service = botocore.session.get_session().get_service_model(SERVICE)
OPERATIONS = {name: service.operation_model(name) for name in service.operation_names}
PAGINATORS = botocore.loaders.Loader().load_service_model(SERVICE, "paginators-1")["pagination"]


def method(operation):
    """The operation's name in boto3."""
    return xform_name(operation)


def command(operation):
    """The operation's name in the AWS CLI."""
    return xform_name(operation, "-")


def errors(operation):
    """The names of the errors that the model declares for it."""
    return [error.name for error in OPERATIONS[operation].error_shapes]


def status(error):
    """The HTTP status of an error."""
    return service.shape_for(error).metadata["error"]["httpStatusCode"]


def has_pages(operation):
    """Whether its answer leads to a next page."""
    output = OPERATIONS[operation].output_shape
    return output is not None and "nextToken" in output.members


def rows(operation):
    """The member of a page that holds its rows."""
    members = OPERATIONS[operation].output_shape.members.items()
    return next(name for name, member in members if member.type_name == "list")
