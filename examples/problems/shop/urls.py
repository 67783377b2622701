from django.urls import path

from . import views

urlpatterns = [
    path("<way>/price/<int:number>", views.price),
    path("<way>/price/<int:number>/<int:new>", views.change),
    path("<way>/warm/<int:first>/<int:count>", views.warm),
    path("<way>/ledger", views.ledger),
    path("ready", views.ready),
]
