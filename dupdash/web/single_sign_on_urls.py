"""The URLs of single sign-on, which exist only if OIDC_ISSUER or SAML_METADATA_FILE is set."""

from django.urls import path
from django.views.generic import RedirectView

from dupdash.accounts.single_sign_on import PROVIDER
from dupdash.web.views import saml, single_sign_on

urlpatterns = [
    path("sign-in/sso/", single_sign_on.start, name="sso"),
    # The names are django-allauth's.
    path("sign-in/sso/callback/", single_sign_on.callback, {"provider_id": PROVIDER}, name="openid_connect_callback"),
    path("sign-in/saml/acs/", saml.acs, name="saml_acs"),
    path("sign-in/saml/finish/", saml.finish, name="saml_finish"),
    path("sign-in/saml/metadata/", saml.metadata, name="saml_metadata"),
    path("sign-in/sso/other/", RedirectView.as_view(pattern_name="login"), name="account_login"),
    path("sign-out/sso/", single_sign_on.sign_out, name="sso_sign_out"),
]
