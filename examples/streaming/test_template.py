"""The template is clean, and each of its three consumers may do what it has to and nothing else.

cfn-lint checks it against AWS's own schemas. moto's CloudFormation then deploys it, as far as moto goes: it starts no
task, and enforces no `Rules` and no policies. What it passes over is read from the template instead.
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
STREAMS = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream"
NETWORK = {"Subnets": "subnet-00000001,subnet-00000002", "SecurityGroups": "sg-00000001"}
IMAGE = {"ImageRepository": "churn-consume", "ImageVersion": "@sha256:" + "ab" * 32}
CODE = {"CodeBucket": "code", "CodeKey": "churn-1.zip"}
READ = ("DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")

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


def deploy(aws, consumer, **parameters):
    """Deploys the template; resources by their name in it, and outputs."""
    parameters |= {"Consumer": consumer} | (CODE if consumer == "lambda" else NETWORK | IMAGE)
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


def allowed(aws, role):
    """What a role may do to what."""
    iam = aws.client("iam")
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    # moto keeps the policies inside a role as Python's text of them.
    documents = [ast.literal_eval(document) if isinstance(document, str) else document for document in documents]
    grants = set()
    for statement in (statement for document in documents for statement in document["Statement"]):
        assert statement["Effect"] == "Allow"
        actions, resources = (
            [it] if isinstance(it, str) else it for it in (statement["Action"], statement["Resource"])
        )
        grants |= {(action, resource) for action in actions for resource in resources}
    return grants


def streams_read(grants):
    """The streams that all of `READ` is granted of; a grant of part of it is a mistake."""
    by_action = [{stream for action, stream in grants if action == f"kinesis:{it}"} for it in READ]
    assert all(streams == by_action[0] for streams in by_action)
    return {stream.rpartition("/")[2] for stream in by_action[0]}


def streams_written(grants):
    return {stream.rpartition("/")[2] for action, stream in grants if action == "kinesis:PutRecords"}


def properties(resource):
    return cfn_yaml.load(str(TEMPLATE))["Resources"][resource]["Properties"]


def test_cfn_lint_finds_nothing():
    lint = Path(sysconfig.get_path("scripts")) / "cfn-lint"
    command = [lint, "--include-checks", "I", "--regions", REGION, "--template", TEMPLATE]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("consumer", ["reader", "kcl", "lambda"])
def test_every_consumer_has_streams_sinks_and_state(aws, consumer):
    names, outputs = deploy(aws, consumer, Prefix="test-")
    kinesis = aws.client("kinesis")
    hours = {
        name: kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["RetentionPeriodHours"]
        for name in kinesis.list_streams()["StreamNames"]
    }
    assert hours == {
        "test-companies": 24,
        "test-bigdatajobs": 24,
        "test-enrichedcompanies": 24,
        "test-deadletters": 168,
    }
    table = aws.client("dynamodb").describe_table(TableName=outputs["StateTable"])["Table"]
    assert table["KeySchema"] == [{"AttributeName": "key", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"

    grants = allowed(aws, names["FunctionRole" if consumer == "lambda" else "TaskRole"])
    assert streams_written(grants) == {"test-enrichedcompanies", "test-deadletters"}
    assert {resource for action, resource in grants if action.startswith("s3:")} == {
        f"arn:aws:s3:::{outputs['HistoryBucket']}/churn/*",
        f"arn:aws:s3:::{outputs['HistoryBucket']}",
    }
    assert ("dynamodb:PutItem", table["TableArn"]) in grants
    everything = {action for action, resource in grants if resource == "*"}
    assert everything == ({"cloudwatch:PutMetricData"} if consumer == "kcl" else set())


def test_the_reader_is_one_task_that_reads_both_streams(aws):
    names, outputs = deploy(aws, "reader")
    assert not names.keys() & {"Function", "FailedBatches", "TasksMayLease"}
    grants = allowed(aws, names["TaskRole"])
    assert streams_read(grants) == {"companies", "bigdatajobs"}
    assert not {action for action, _ in grants if action in ("dynamodb:Scan", "dynamodb:CreateTable")}
    ecs = aws.client("ecs")
    (container,) = ecs.describe_task_definition(taskDefinition=names["Task"])["taskDefinition"]["containerDefinitions"]
    assert container["command"] == [
        *("/opt/churn/consume", "--source", "kinesis:companies", "--source", "kinesis:bigdatajobs"),
        *("--metrics", "0.0.0.0:9090", "--model", "/opt/churn/model.safetensors"),
        *("--state", f"dynamodb:{outputs['StateTable']}", "--sink", "kinesis:enrichedcompanies"),
        *("--sink", f"s3://{outputs['HistoryBucket']}/churn", "--dead-letters", "kinesis:deadletters"),
        *("--score", "changes"),
    ]
    assert container["readonlyRootFilesystem"] is True and container["user"] == "65532:65532"
    (service,) = ecs.describe_services(cluster=names["Cluster"], services=[names["Service"]])["services"]
    assert service["desiredCount"] == 1
    rolling = properties("Service")["DeploymentConfiguration"]
    never_two = (rolling["MinimumHealthyPercent"]["Fn::If"][2], rolling["MaximumPercent"]["Fn::If"][2])
    assert never_two == (0, 100)


def test_kcl_workers_share_one_stream_and_may_keep_leases(aws):
    names, outputs = deploy(aws, "kcl", Tasks="3")
    grants = allowed(aws, names["TaskRole"])
    assert streams_read(grants) == {"bigdatajobs"}
    tables = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
    assert {table for action, table in grants if action == "dynamodb:CreateTable"} == {
        f"{tables}/churn",
        f"{tables}/churn-CoordinatorState",
        f"{tables}/churn-WorkerMetricStats",
    }
    ecs = aws.client("ecs")
    (container,) = ecs.describe_task_definition(taskDefinition=names["Task"])["taskDefinition"]["containerDefinitions"]
    environment = {it["name"]: it["value"] for it in container["environment"]}
    assert container["command"] == ["/opt/churn/kcl.sh"]
    assert (environment["STREAM"], environment["APPLICATION"]) == ("bigdatajobs", "churn")
    assert "WORKER" not in environment, "two tasks may overlap"
    assert environment["CONSUME"].split() == [
        *("/opt/churn/consume", "--kcl", "--model", "/opt/churn/model.safetensors"),
        *("--state", f"dynamodb:{outputs['StateTable']}", "--sink", "kinesis:enrichedcompanies"),
        *("--sink", f"s3://{outputs['HistoryBucket']}/churn/{{shard}}", "--dead-letters", "kinesis:deadletters"),
        *("--score", "changes"),
    ]
    (service,) = ecs.describe_services(cluster=names["Cluster"], services=[names["Service"]])["services"]
    assert service["desiredCount"] == 3


def test_the_function_is_called_by_both_streams_and_reports_what_failed(aws):
    names, outputs = deploy(aws, "lambda", BatchSize="200")
    assert not names.keys() & {"Cluster", "Task", "Service", "TaskRole", "StartRole"}
    function = aws.client("lambda").get_function_configuration(FunctionName=names["Function"])
    assert function["Environment"]["Variables"] == {
        "CHURN_MODEL": "/var/task/model.safetensors",
        "CHURN_STATE_TABLE": outputs["StateTable"],
        "CHURN_SINK": "kinesis:enrichedcompanies",
        "CHURN_DEAD_LETTERS": "kinesis:deadletters",
        "CHURN_SCORE": "changes",
        "CHURN_REASONS": "3",
    }
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:" + names["FailedBatches"].rpartition("/")[2]
    mappings = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {it["EventSourceArn"] for it in mappings} == {f"{STREAMS}/companies", f"{STREAMS}/bigdatajobs"}
    assert {it["BatchSize"] for it in mappings} == {200}
    for name in ("CompaniesCallFunction", "BigDataJobsCallFunction"):  # moto keeps no more of a mapping
        mapping = properties(name)
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["MaximumRecordAgeInSeconds"] < 24 * 3600, "given up while it can still be read"
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedBatches", "Arn"]}
    grants = allowed(aws, names["FunctionRole"])
    assert streams_read(grants) == {"companies", "bigdatajobs"}
    assert ("sqs:SendMessage", queue) in grants


def test_lag_silence_and_dead_letters_raise_alarms():
    for stream in ("Companies", "BigDataJobs"):
        (alarm,) = (it for it in alarms().values() if it["Dimensions"][0]["Value"] == {"Ref": stream})
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds")
        assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
        assert alarm["Threshold"] == {"Ref": "LagMilliseconds"}
        assert alarm["TreatMissingData"] == "breaching", "nobody reads"
    for name, metric in (
        ("DeadLettersArrive", "IncomingRecords"),
        ("FailedBatchesArrive", "ApproximateNumberOfMessagesVisible"),
    ):
        alarm = alarms()[name]
        assert (alarm["MetricName"], alarm["Threshold"]) == (metric, 0)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["TreatMissingData"] == "notBreaching"
    assert alarms()["DeadLettersArrive"]["Dimensions"] == [{"Name": "StreamName", "Value": {"Ref": "DeadLetters"}}]
    assert all(
        it["AlarmActions"]["Fn::If"][:2] == ["HasAlarmTopic", [{"Ref": "AlarmTopic"}]] for it in alarms().values()
    )
    with_kcl = cfn_yaml.load(str(TEMPLATE))["Resources"]["CompaniesLag"]["Condition"]
    assert with_kcl == "ReadsCompanies", "nobody does with KCL"


def alarms():
    resources = cfn_yaml.load(str(TEMPLATE))["Resources"]
    return {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm"}


def test_what_moto_passes_over_is_as_meant(aws):
    with pytest.warns(UserWarning) as warned:
        deploy(aws, "lambda")
    passed_over = {word for it in warned for word in str(it.message).split() if word.startswith("AWS::")}
    assert passed_over == {"AWS::CloudWatch::Alarm", "AWS::S3::BucketPolicy"}
    assert all(properties("History")["PublicAccessBlockConfiguration"].values())
    (statement,) = properties("HistoryOnlyOverTls")["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert properties("State")["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    for stream, hours in (("Companies", 24), ("BigDataJobs", 24), ("EnrichedCompanies", 24), ("DeadLetters", 168)):
        assert properties(stream)["RetentionPeriodHours"] == hours
        assert properties(stream)["StreamEncryption"]["EncryptionType"] == "KMS"


def test_who_forgets_what_a_consumer_needs_is_told():
    rules = json.loads(json.dumps(cfn_yaml.load(str(TEMPLATE))["Rules"]))
    told = {it["AssertDescription"] for rule in rules.values() for it in rule["Assertions"]}
    assert told == {
        "reader and kcl need ImageRepository.",
        "reader and kcl need Subnets.",
        "reader and kcl need SecurityGroups.",
        "lambda needs CodeBucket and CodeKey.",
    }
