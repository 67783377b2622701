from django.urls import path

from . import views

urlpatterns = [
    path("product/<int:number>", views.product),
    path("ready", views.ready),
]
