"""The template is clean, and what it makes is what was meant.

cfn-lint checks it against AWS's own schemas. moto's CloudFormation then deploys it, as far as moto goes: it knows no
`AWS::ApiGatewayV2`, passes over a function's architecture and an endpoint's name, starts no container, and enforces no
`Rules` and no policies. What it passes over is read from the template instead.
"""

import ast
import io
import json
import subprocess
import sysconfig
import zipfile
from pathlib import Path

import boto3
import pytest
from cfnlint.decode import cfn_yaml
from moto import mock_aws

TEMPLATE = Path(__file__).parent / "template.yaml"
REGION = "eu-west-1"
ACCOUNT = "123456789012"
DIGEST = "@sha256:" + "ab" * 32

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")


@pytest.fixture
def aws(monkeypatch):
    """An account with nothing in it but the function's code."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"lambda": {"use_docker": False}}):
        session = boto3.Session(region_name=REGION)
        s3 = session.client("s3")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as code:
            code.writestr("bootstrap", "a program")
        s3.put_object(Bucket="code", Key="churn-1.zip", Body=archive.getvalue())
        yield session


def deploy(aws, **parameters):
    """Deploys the template; resources by their name in it, and outputs."""
    parameters = {"CodeBucket": "code", "CodeKey": "churn-1.zip", **parameters}
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName="churn",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    stack = cloudformation.describe_stacks(StackName="churn")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    resources = cloudformation.describe_stack_resources(StackName="churn")["StackResources"]
    # moto lists what it passes over without an id.
    names = {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources if "PhysicalResourceId" in it}
    return names, {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}


def with_endpoint(aws, kind, **parameters):
    return deploy(
        aws,
        EndpointKind=kind,
        ImageRepository="churn",
        ImageVersion=DIGEST,
        ModelObject="models/2026/churn/model.tar.gz",
        **parameters,
    )


def allowed(aws, role):
    """What a role may do to what, and who may take it."""
    iam = aws.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    # moto keeps the policies inside a role as Python's text of them.
    documents = [ast.literal_eval(document) if isinstance(document, str) else document for document in documents]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    statements = [statement for document in documents for statement in document["Statement"]]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    grants = set()
    for statement in statements:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        grants |= {(action, statement["Resource"]) for action in actions}
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    return grants, [statement["Principal"] for statement in trust]


def log_group(aws, name):
    """Its name for policies: AWS says `group:*` for its streams, and moto leaves that out."""
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert group["retentionInDays"] == 30
    return group["arn"].removesuffix(":*")


def test_cfn_lint_finds_nothing():
    lint = Path(sysconfig.get_path("scripts")) / "cfn-lint"
    command = [lint, "--include-checks", "I", "--regions", REGION, "--template", TEMPLATE]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_without_an_endpoint_there_is_a_function_that_may_only_log(aws):
    names, outputs = deploy(aws)
    assert not names.keys() & {"Endpoint", "EndpointConfig", "Model", "EndpointRole", "EndpointLogs"}
    assert "EndpointName" not in outputs
    function = aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert function["Runtime"] == "provided.al2023"
    assert function["Environment"]["Variables"] == {"ENDPOINT_NAME": ""}
    grants, trusted = allowed(aws, names["FunctionRole"])
    logs = log_group(aws, names["FunctionLogs"])
    assert grants == {("logs:CreateLogStream", logs), ("logs:PutLogEvents", logs)}
    assert trusted == [{"Service": "lambda.amazonaws.com"}]


def test_with_an_endpoint_the_function_may_ask_this_one_and_no_other(aws):
    names, outputs = with_endpoint(aws, "instance")
    function = aws.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert function["Environment"]["Variables"] == {"ENDPOINT_NAME": outputs["EndpointName"]}
    endpoint = aws.client("sagemaker").describe_endpoint(EndpointName=outputs["EndpointName"])
    grants, _ = allowed(aws, names["FunctionRole"])
    assert {grant for grant in grants if not grant[0].startswith("logs:")} == {
        ("sagemaker:InvokeEndpoint", endpoint["EndpointArn"])
    }


def test_an_endpoint_on_instances_serves_the_image_and_the_model(aws):
    names, outputs = with_endpoint(aws, "instance", InstanceType="ml.c5.large", InstanceCount="2")
    sagemaker = aws.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=outputs["EndpointName"])
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    (variant,) = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c5.large", 2)
    assert "ServerlessConfig" not in variant
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    assert model["PrimaryContainer"]["Image"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/churn{DIGEST}"
    assert model["PrimaryContainer"]["ModelDataUrl"] == "s3://models/2026/churn/model.tar.gz"
    role = aws.client("iam").get_role(RoleName=names["EndpointRole"])["Role"]
    assert model["ExecutionRoleArn"] == role["Arn"]


def test_the_endpoint_may_read_its_model_and_its_image_and_write_its_logs(aws):
    names, _ = with_endpoint(aws, "serverless")
    grants, trusted = allowed(aws, names["EndpointRole"])
    image = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/churn"
    logs = log_group(aws, "/aws/sagemaker/Endpoints/churn")  # where the endpoint of that name writes
    assert grants == {
        ("s3:GetObject", "arn:aws:s3:::models/2026/churn/model.tar.gz"),
        ("ecr:BatchCheckLayerAvailability", image),
        ("ecr:BatchGetImage", image),
        ("ecr:GetDownloadUrlForLayer", image),
        ("ecr:GetAuthorizationToken", "*"),
        ("logs:CreateLogStream", logs),
        ("logs:DescribeLogStreams", logs),
        ("logs:PutLogEvents", logs),
    }
    assert trusted == [{"Service": "sagemaker.amazonaws.com"}]


def test_only_the_route_of_this_api_may_call_the_function(aws):
    _, outputs = deploy(aws)
    policy = json.loads(aws.client("lambda").get_policy(FunctionName=outputs["FunctionName"])["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    source = json.dumps(statement["Condition"])
    assert f"arn:aws:execute-api:{REGION}:{ACCOUNT}:" in source
    assert source.rstrip('"}').endswith("/*/POST/assessChurn")


def test_what_moto_passes_over_is_as_meant(aws):
    with pytest.warns(UserWarning) as warned:
        with_endpoint(aws, "serverless")
    passed_over = {word for it in warned for word in str(it.message).split() if word.startswith("AWS::")}
    assert passed_over == {f"AWS::ApiGatewayV2::{kind}" for kind in ("Api", "Integration", "Route", "Stage")}
    template = cfn_yaml.load(str(TEMPLATE))
    assert template["Resources"]["Function"]["Properties"]["Architectures"] == [{"Ref": "Architecture"}]
    assert template["Resources"]["Endpoint"]["Properties"]["EndpointName"] == {"Ref": "AWS::StackName"}
    route = template["Resources"]["Route"]["Properties"]
    assert route["RouteKey"] == "POST /assessChurn", "what clients of the original system call"
    assert route["AuthorizationType"] == {"Ref": "Authorization"}
    assert template["Parameters"]["Authorization"]["Default"] == "AWS_IAM", "open to the world only when asked"
    stage = template["Resources"]["Stage"]["Properties"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == {"Ref": "RequestsPerSecond"}
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == {"Ref": "RequestsAtOnce"}
    assert "$context.status" in stage["AccessLogSettings"]["Format"]
