#!/bin/sh
# Makes the bucket and a user of it who may do nothing else. Started again, it changes nothing.
set -eu
mc alias set --quiet store "$STORAGE_URL" "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" > /dev/null
mc mb --quiet --ignore-existing "store/$GLEANER_BUCKET"
cat > /tmp/policy.json << POLICY
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"],
      "Resource": ["arn:aws:s3:::$GLEANER_BUCKET"]
    },
    {
      "Effect": "Allow",
      "Action": [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts"
      ],
      "Resource": ["arn:aws:s3:::$GLEANER_BUCKET/*"]
    }
  ]
}
POLICY
mc admin policy create store gleaner /tmp/policy.json
mc admin user add store "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"
# Says no to a policy that is attached already.
mc admin policy attach store gleaner --user "$AWS_ACCESS_KEY_ID" || mc admin user info store "$AWS_ACCESS_KEY_ID"
echo "bucket $GLEANER_BUCKET is there"
