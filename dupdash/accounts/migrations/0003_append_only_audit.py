"""Creates the triggers that keep the audit table append-only."""

from django.db import migrations


def guard(apps, schema_editor):
    from dupdash.accounts import audit_triggers

    audit_triggers.guard(schema_editor.connection)


def release(apps, schema_editor):
    from dupdash.accounts import audit_triggers

    audit_triggers.release(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_api_tokens")]
    operations = [migrations.RunPython(guard, release)]
