#!/usr/bin/env bash
# cfn-lint 1.58.0 (PyPI): a serverless Amazon DocumentDB cluster.
#
# One would expect, by the chapter on serverless clusters in Amazon DocumentDB's guide: a cluster with
# ServerlessV2ScalingConfiguration and instances of the class db.serverless is how it is made, and passes.
# Seen: the cluster passes, the instance that belongs to it is an error, E3620, in every region tried. Without instances,
# which nothing can connect to, the template passes.
# To a user: a pipeline that stops at errors refuses a right template; the rule has to be left out by name.
. "$(dirname "$0")/lib.sh"
python_packages cfn-lint==1.58.0

cat >cluster.yaml <<'END'
Resources:
  Cluster:
    Type: AWS::DocDB::DBCluster
    Properties:
      EngineVersion: 5.0.0
      MasterUsername: writer
      ManageMasterUserPassword: true
      ServerlessV2ScalingConfiguration: {MinCapacity: 0.5, MaxCapacity: 2}
END
cat cluster.yaml - >both.yaml <<'END'
  Instance:
    Type: AWS::DocDB::DBInstance
    Properties:
      DBClusterIdentifier: !Ref Cluster
      DBInstanceClass: db.serverless
END
{
    for template in cluster both; do
        echo "$template:"
        venv/bin/cfn-lint --regions us-east-1 eu-west-1 -- "$template.yaml" | sed -n "s/is not one of .* in /is no class in /p" || true
    done
} >got

seen got <<'END'
cluster:
both:
E3620 'db.serverless' is no class in 'us-east-1'
E3620 'db.serverless' is no class in 'eu-west-1'
END
