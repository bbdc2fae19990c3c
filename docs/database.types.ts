// Generated from a database with the extension by `make types`; never edited by hand.
export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  // Allows to automatically instantiate createClient with right options
  // instead of createClient<Database, { PostgrestVersion: 'XX' }>(URL, KEY)
  __InternalSupabase: {
    PostgrestVersion: "12"
  }
  public: {
    Tables: {
      credit_costs: {
        Row: {
          created_at: string
          credits: number
          description: string | null
          operation: string
        }
        Insert: {
          created_at?: string
          credits: number
          description?: string | null
          operation: string
        }
        Update: {
          created_at?: string
          credits?: number
          description?: string | null
          operation?: string
        }
        Relationships: []
      }
      credit_events: {
        Row: {
          begins_at: string | null
          bonus: number
          carried_over: number | null
          changed_bonus: number
          changed_hidden: number
          changed_rollover: number
          changed_used: number
          created_at: string
          credits: number | null
          credits_per_month: number
          entry: number
          expired: number | null
          granted: number | null
          hidden: number
          is_by_hand: boolean | null
          kind: string
          made_by: string
          plan_id: string | null
          reference: string | null
          rollover: number
          settled_bonus: number
          settled_rollover: number
          spent_bonus: number | null
          spent_monthly: number | null
          spent_rollover: number | null
          subscription_id: string | null
          used: number
          user_id: string
        }
        Insert: {
          begins_at?: string | null
          bonus?: number
          carried_over?: number | null
          changed_bonus?: number
          changed_hidden?: number
          changed_rollover?: number
          changed_used?: number
          created_at?: string
          credits?: number | null
          credits_per_month?: number
          entry: number
          expired?: number | null
          granted?: number | null
          hidden?: number
          is_by_hand?: boolean | null
          kind: string
          made_by?: string
          plan_id?: string | null
          reference?: string | null
          rollover?: number
          settled_bonus?: number
          settled_rollover?: number
          spent_bonus?: number | null
          spent_monthly?: number | null
          spent_rollover?: number | null
          subscription_id?: string | null
          used?: number
          user_id: string
        }
        Update: {
          begins_at?: string | null
          bonus?: number
          carried_over?: number | null
          changed_bonus?: number
          changed_hidden?: number
          changed_rollover?: number
          changed_used?: number
          created_at?: string
          credits?: number | null
          credits_per_month?: number
          entry?: number
          expired?: number | null
          granted?: number | null
          hidden?: number
          is_by_hand?: boolean | null
          kind?: string
          made_by?: string
          plan_id?: string | null
          reference?: string | null
          rollover?: number
          settled_bonus?: number
          settled_rollover?: number
          spent_bonus?: number | null
          spent_monthly?: number | null
          spent_rollover?: number | null
          subscription_id?: string | null
          used?: number
          user_id?: string
        }
        Relationships: []
      }
      credit_pack_purchases: {
        Row: {
          amount: number
          created_at: string
          credits: number
          id: string
          pack_id: string
          status: string
          stripe_session_id: string | null
          user_id: string
        }
        Insert: {
          amount: number
          created_at?: string
          credits: number
          id?: string
          pack_id: string
          status?: string
          stripe_session_id?: string | null
          user_id: string
        }
        Update: {
          amount?: number
          created_at?: string
          credits?: number
          id?: string
          pack_id?: string
          status?: string
          stripe_session_id?: string | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "credit_pack_purchases_pack_id_fkey"
            columns: ["pack_id"]
            isOneToOne: false
            referencedRelation: "credit_packs"
            referencedColumns: ["id"]
          },
        ]
      }
      credit_packs: {
        Row: {
          credits: number
          id: string
          is_active: boolean
          name: string
          price: number
          sort_order: number
          stripe_price_id: string | null
        }
        Insert: {
          credits: number
          id: string
          is_active?: boolean
          name: string
          price: number
          sort_order?: number
          stripe_price_id?: string | null
        }
        Update: {
          credits?: number
          id?: string
          is_active?: boolean
          name?: string
          price?: number
          sort_order?: number
          stripe_price_id?: string | null
        }
        Relationships: []
      }
      credit_transactions: {
        Row: {
          created_at: string
          id: string
          operation: string
          operation_id: string
          type: string
          user_id: string
        }
        Insert: {
          created_at?: string
          id?: string
          operation: string
          operation_id: string
          type: string
          user_id: string
        }
        Update: {
          created_at?: string
          id?: string
          operation?: string
          operation_id?: string
          type?: string
          user_id?: string
        }
        Relationships: []
      }
      credit_usage: {
        Row: {
          counterpart: number
          created_at: string
          credits_used: number
          entry: number
          from_bonus: number
          from_hidden: number
          from_rollover: number
          id: string
          is_free: boolean
          operation: string
          reference_id: string | null
          subscription_id: string | null
          user_id: string
        }
        Insert: {
          counterpart?: number
          created_at?: string
          credits_used: number
          entry?: number
          from_bonus?: number
          from_hidden?: number
          from_rollover?: number
          id?: string
          is_free?: boolean
          operation: string
          reference_id?: string | null
          subscription_id?: string | null
          user_id: string
        }
        Update: {
          counterpart?: number
          created_at?: string
          credits_used?: number
          entry?: number
          from_bonus?: number
          from_hidden?: number
          from_rollover?: number
          id?: string
          is_free?: boolean
          operation?: string
          reference_id?: string | null
          subscription_id?: string | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "credit_usage_subscription_id_fkey"
            columns: ["subscription_id"]
            isOneToOne: false
            referencedRelation: "subscriptions"
            referencedColumns: ["id"]
          },
        ]
      }
      evaluation_drafts: {
        Row: {
          created_at: string
          draft_data: NonNullable<Json>
          draft_data_encrypted: string | null
          id: string
          updated_at: string
          user_id: string
        }
        Insert: {
          created_at?: string
          draft_data: NonNullable<Json>
          draft_data_encrypted?: string | null
          id?: string
          updated_at?: string
          user_id: string
        }
        Update: {
          created_at?: string
          draft_data?: NonNullable<Json>
          draft_data_encrypted?: string | null
          id?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      evaluations: {
        Row: {
          additional_photos: Json | null
          aesthetic_level: string
          ai_indication_reason: string | null
          ai_treatment_indication: string | null
          alerts: Json | null
          alternatives: Json | null
          anamnesis: string | null
          anamnesis_encrypted: string | null
          bruxism: boolean
          budget: string
          cavity_class: string
          cementation_protocol: Json | null
          checklist_progress: Json | null
          created_at: string
          depth: string | null
          desired_tooth_shape: string | null
          dsd_analysis: Json | null
          dsd_image_hash: string | null
          dsd_simulation_layers: Json | null
          dsd_simulation_url: string | null
          enamel_condition: string | null
          generic_protocol: Json | null
          has_inventory_at_creation: boolean | null
          id: string
          ideal_reason: string | null
          ideal_resin_id: string | null
          is_from_inventory: boolean | null
          longevity_expectation: string
          patient_aesthetic_goals: string | null
          patient_age: number
          patient_desired_changes: string[] | null
          patient_document: Json | null
          patient_document_encrypted: string | null
          patient_id: string | null
          patient_name: string | null
          patient_name_encrypted: string | null
          photo_45: string | null
          photo_face: string | null
          photo_frontal: string | null
          priority: string | null
          protocol_layers: Json | null
          radiograph_type: string | null
          radiograph_url: string | null
          recommendation_text: string | null
          recommended_resin_id: string | null
          region: string
          restoration_size: string
          session_id: string | null
          simulation_url: string | null
          status: string | null
          stratification_needed: boolean
          stratification_protocol: Json | null
          substrate: string
          substrate_condition: string | null
          tooth: string
          tooth_bounds: Json | null
          tooth_color: string
          treatment_type: string | null
          updated_at: string
          user_id: string
          warnings: Json | null
        }
        Insert: {
          additional_photos?: Json | null
          aesthetic_level: string
          ai_indication_reason?: string | null
          ai_treatment_indication?: string | null
          alerts?: Json | null
          alternatives?: Json | null
          anamnesis?: string | null
          anamnesis_encrypted?: string | null
          bruxism?: boolean
          budget: string
          cavity_class: string
          cementation_protocol?: Json | null
          checklist_progress?: Json | null
          created_at?: string
          depth?: string | null
          desired_tooth_shape?: string | null
          dsd_analysis?: Json | null
          dsd_image_hash?: string | null
          dsd_simulation_layers?: Json | null
          dsd_simulation_url?: string | null
          enamel_condition?: string | null
          generic_protocol?: Json | null
          has_inventory_at_creation?: boolean | null
          id?: string
          ideal_reason?: string | null
          ideal_resin_id?: string | null
          is_from_inventory?: boolean | null
          longevity_expectation: string
          patient_aesthetic_goals?: string | null
          patient_age: number
          patient_desired_changes?: string[] | null
          patient_document?: Json | null
          patient_document_encrypted?: string | null
          patient_id?: string | null
          patient_name?: string | null
          patient_name_encrypted?: string | null
          photo_45?: string | null
          photo_face?: string | null
          photo_frontal?: string | null
          priority?: string | null
          protocol_layers?: Json | null
          radiograph_type?: string | null
          radiograph_url?: string | null
          recommendation_text?: string | null
          recommended_resin_id?: string | null
          region: string
          restoration_size: string
          session_id?: string | null
          simulation_url?: string | null
          status?: string | null
          stratification_needed?: boolean
          stratification_protocol?: Json | null
          substrate: string
          substrate_condition?: string | null
          tooth: string
          tooth_bounds?: Json | null
          tooth_color: string
          treatment_type?: string | null
          updated_at?: string
          user_id: string
          warnings?: Json | null
        }
        Update: {
          additional_photos?: Json | null
          aesthetic_level?: string
          ai_indication_reason?: string | null
          ai_treatment_indication?: string | null
          alerts?: Json | null
          alternatives?: Json | null
          anamnesis?: string | null
          anamnesis_encrypted?: string | null
          bruxism?: boolean
          budget?: string
          cavity_class?: string
          cementation_protocol?: Json | null
          checklist_progress?: Json | null
          created_at?: string
          depth?: string | null
          desired_tooth_shape?: string | null
          dsd_analysis?: Json | null
          dsd_image_hash?: string | null
          dsd_simulation_layers?: Json | null
          dsd_simulation_url?: string | null
          enamel_condition?: string | null
          generic_protocol?: Json | null
          has_inventory_at_creation?: boolean | null
          id?: string
          ideal_reason?: string | null
          ideal_resin_id?: string | null
          is_from_inventory?: boolean | null
          longevity_expectation?: string
          patient_aesthetic_goals?: string | null
          patient_age?: number
          patient_desired_changes?: string[] | null
          patient_document?: Json | null
          patient_document_encrypted?: string | null
          patient_id?: string | null
          patient_name?: string | null
          patient_name_encrypted?: string | null
          photo_45?: string | null
          photo_face?: string | null
          photo_frontal?: string | null
          priority?: string | null
          protocol_layers?: Json | null
          radiograph_type?: string | null
          radiograph_url?: string | null
          recommendation_text?: string | null
          recommended_resin_id?: string | null
          region?: string
          restoration_size?: string
          session_id?: string | null
          simulation_url?: string | null
          status?: string | null
          stratification_needed?: boolean
          stratification_protocol?: Json | null
          substrate?: string
          substrate_condition?: string | null
          tooth?: string
          tooth_bounds?: Json | null
          tooth_color?: string
          treatment_type?: string | null
          updated_at?: string
          user_id?: string
          warnings?: Json | null
        }
        Relationships: [
          {
            foreignKeyName: "evaluations_ideal_resin_id_fkey"
            columns: ["ideal_resin_id"]
            isOneToOne: false
            referencedRelation: "resins"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "evaluations_patient_id_fkey"
            columns: ["patient_id"]
            isOneToOne: false
            referencedRelation: "patients"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "evaluations_recommended_resin_id_fkey"
            columns: ["recommended_resin_id"]
            isOneToOne: false
            referencedRelation: "resins"
            referencedColumns: ["id"]
          },
        ]
      }
      patients: {
        Row: {
          birth_date: string | null
          birth_date_encrypted: string | null
          created_at: string
          email: string | null
          email_encrypted: string | null
          id: string
          name: string
          name_encrypted: string | null
          notes: string | null
          notes_encrypted: string | null
          phone: string | null
          phone_encrypted: string | null
          updated_at: string
          user_id: string
        }
        Insert: {
          birth_date?: string | null
          birth_date_encrypted?: string | null
          created_at?: string
          email?: string | null
          email_encrypted?: string | null
          id?: string
          name: string
          name_encrypted?: string | null
          notes?: string | null
          notes_encrypted?: string | null
          phone?: string | null
          phone_encrypted?: string | null
          updated_at?: string
          user_id: string
        }
        Update: {
          birth_date?: string | null
          birth_date_encrypted?: string | null
          created_at?: string
          email?: string | null
          email_encrypted?: string | null
          id?: string
          name?: string
          name_encrypted?: string | null
          notes?: string | null
          notes_encrypted?: string | null
          phone?: string | null
          phone_encrypted?: string | null
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      payment_history: {
        Row: {
          amount: number
          created_at: string
          currency: string
          description: string | null
          id: string
          invoice_pdf: string | null
          invoice_url: string | null
          status: string
          stripe_event_id: string | null
          stripe_invoice_id: string | null
          stripe_payment_intent_id: string | null
          subscription_id: string | null
          user_id: string
        }
        Insert: {
          amount: number
          created_at?: string
          currency?: string
          description?: string | null
          id?: string
          invoice_pdf?: string | null
          invoice_url?: string | null
          status: string
          stripe_event_id?: string | null
          stripe_invoice_id?: string | null
          stripe_payment_intent_id?: string | null
          subscription_id?: string | null
          user_id: string
        }
        Update: {
          amount?: number
          created_at?: string
          currency?: string
          description?: string | null
          id?: string
          invoice_pdf?: string | null
          invoice_url?: string | null
          status?: string
          stripe_event_id?: string | null
          stripe_invoice_id?: string | null
          stripe_payment_intent_id?: string | null
          subscription_id?: string | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "payment_history_subscription_id_fkey"
            columns: ["subscription_id"]
            isOneToOne: false
            referencedRelation: "subscriptions"
            referencedColumns: ["id"]
          },
        ]
      }
      profiles: {
        Row: {
          avatar_url: string | null
          clinic_logo_url: string | null
          clinic_name: string | null
          created_at: string
          cro: string | null
          full_name: string | null
          id: string
          phone: string | null
          updated_at: string
          user_id: string
        }
        Insert: {
          avatar_url?: string | null
          clinic_logo_url?: string | null
          clinic_name?: string | null
          created_at?: string
          cro?: string | null
          full_name?: string | null
          id?: string
          phone?: string | null
          updated_at?: string
          user_id: string
        }
        Update: {
          avatar_url?: string | null
          clinic_logo_url?: string | null
          clinic_name?: string | null
          created_at?: string
          cro?: string | null
          full_name?: string | null
          id?: string
          phone?: string | null
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      prompt_executions: {
        Row: {
          created_at: string | null
          error: string | null
          estimated_cost: number
          id: string
          latency_ms: number
          model: string
          prompt_id: string
          prompt_version: string
          success: boolean
          tokens_in: number
          tokens_out: number
        }
        Insert: {
          created_at?: string | null
          error?: string | null
          estimated_cost?: number
          id?: string
          latency_ms: number
          model: string
          prompt_id: string
          prompt_version: string
          success: boolean
          tokens_in?: number
          tokens_out?: number
        }
        Update: {
          created_at?: string | null
          error?: string | null
          estimated_cost?: number
          id?: string
          latency_ms?: number
          model?: string
          prompt_id?: string
          prompt_version?: string
          success?: boolean
          tokens_in?: number
          tokens_out?: number
        }
        Relationships: []
      }
      rate_limits: {
        Row: {
          created_at: string
          day_count: number
          day_window: string
          function_name: string
          hour_count: number
          hour_window: string
          id: string
          minute_count: number
          minute_window: string
          updated_at: string
          user_id: string
        }
        Insert: {
          created_at?: string
          day_count?: number
          day_window?: string
          function_name: string
          hour_count?: number
          hour_window?: string
          id?: string
          minute_count?: number
          minute_window?: string
          updated_at?: string
          user_id: string
        }
        Update: {
          created_at?: string
          day_count?: number
          day_window?: string
          function_name?: string
          hour_count?: number
          hour_window?: string
          id?: string
          minute_count?: number
          minute_window?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      referral_codes: {
        Row: {
          code: string
          created_at: string | null
          id: string
          is_active: boolean | null
          user_id: string
        }
        Insert: {
          code: string
          created_at?: string | null
          id?: string
          is_active?: boolean | null
          user_id: string
        }
        Update: {
          code?: string
          created_at?: string | null
          id?: string
          is_active?: boolean | null
          user_id?: string
        }
        Relationships: []
      }
      referral_conversions: {
        Row: {
          converted_at: string | null
          id: string
          referral_code_id: string
          referred_id: string
          referrer_id: string
          reward_amount: number | null
          reward_granted: boolean | null
          reward_type: string | null
        }
        Insert: {
          converted_at?: string | null
          id?: string
          referral_code_id: string
          referred_id: string
          referrer_id: string
          reward_amount?: number | null
          reward_granted?: boolean | null
          reward_type?: string | null
        }
        Update: {
          converted_at?: string | null
          id?: string
          referral_code_id?: string
          referred_id?: string
          referrer_id?: string
          reward_amount?: number | null
          reward_granted?: boolean | null
          reward_type?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "referral_conversions_referral_code_id_fkey"
            columns: ["referral_code_id"]
            isOneToOne: false
            referencedRelation: "referral_codes"
            referencedColumns: ["id"]
          },
        ]
      }
      resin_catalog: {
        Row: {
          brand: string
          created_at: string | null
          id: string
          opacity: string
          product_line: string
          shade: string
          type: string
        }
        Insert: {
          brand: string
          created_at?: string | null
          id?: string
          opacity: string
          product_line: string
          shade: string
          type: string
        }
        Update: {
          brand?: string
          created_at?: string | null
          id?: string
          opacity?: string
          product_line?: string
          shade?: string
          type?: string
        }
        Relationships: []
      }
      resins: {
        Row: {
          aesthetics: string
          created_at: string
          description: string | null
          id: string
          indications: string[]
          manufacturer: string
          name: string
          opacity: string
          polishing: string
          price_range: string
          resistance: string
          type: string
        }
        Insert: {
          aesthetics: string
          created_at?: string
          description?: string | null
          id?: string
          indications?: string[]
          manufacturer: string
          name: string
          opacity: string
          polishing: string
          price_range: string
          resistance: string
          type: string
        }
        Update: {
          aesthetics?: string
          created_at?: string
          description?: string | null
          id?: string
          indications?: string[]
          manufacturer?: string
          name?: string
          opacity?: string
          polishing?: string
          price_range?: string
          resistance?: string
          type?: string
        }
        Relationships: []
      }
      session_detected_teeth: {
        Row: {
          cavity_class: string | null
          created_at: string
          depth: string | null
          enamel_condition: string | null
          id: string
          indication_reason: string | null
          priority: string | null
          restoration_size: string | null
          session_id: string
          substrate: string | null
          substrate_condition: string | null
          tooth: string
          tooth_bounds: Json | null
          tooth_region: string | null
          treatment_indication: string | null
          user_id: string
        }
        Insert: {
          cavity_class?: string | null
          created_at?: string
          depth?: string | null
          enamel_condition?: string | null
          id?: string
          indication_reason?: string | null
          priority?: string | null
          restoration_size?: string | null
          session_id: string
          substrate?: string | null
          substrate_condition?: string | null
          tooth: string
          tooth_bounds?: Json | null
          tooth_region?: string | null
          treatment_indication?: string | null
          user_id: string
        }
        Update: {
          cavity_class?: string | null
          created_at?: string
          depth?: string | null
          enamel_condition?: string | null
          id?: string
          indication_reason?: string | null
          priority?: string | null
          restoration_size?: string | null
          session_id?: string
          substrate?: string | null
          substrate_condition?: string | null
          tooth?: string
          tooth_bounds?: Json | null
          tooth_region?: string | null
          treatment_indication?: string | null
          user_id?: string
        }
        Relationships: []
      }
      shared_links: {
        Row: {
          created_at: string
          expires_at: string
          id: string
          session_id: string
          token: string
          user_id: string
        }
        Insert: {
          created_at?: string
          expires_at?: string
          id?: string
          session_id: string
          token?: string
          user_id: string
        }
        Update: {
          created_at?: string
          expires_at?: string
          id?: string
          session_id?: string
          token?: string
          user_id?: string
        }
        Relationships: []
      }
      subscription_plans: {
        Row: {
          allows_rollover: boolean
          cases_per_month: number
          created_at: string
          credits_per_month: number
          currency: string
          description: string | null
          dsd_simulations_per_month: number
          features: NonNullable<Json>
          id: string
          is_active: boolean
          max_users: number
          name: string
          price_monthly: number
          price_yearly: number | null
          priority_support: boolean
          rollover_max: number | null
          sort_order: number
          stripe_price_id: string | null
          stripe_price_id_yearly: string | null
          updated_at: string
        }
        Insert: {
          allows_rollover?: boolean
          cases_per_month?: number
          created_at?: string
          credits_per_month?: number
          currency?: string
          description?: string | null
          dsd_simulations_per_month?: number
          features?: NonNullable<Json>
          id: string
          is_active?: boolean
          max_users?: number
          name: string
          price_monthly: number
          price_yearly?: number | null
          priority_support?: boolean
          rollover_max?: number | null
          sort_order?: number
          stripe_price_id?: string | null
          stripe_price_id_yearly?: string | null
          updated_at?: string
        }
        Update: {
          allows_rollover?: boolean
          cases_per_month?: number
          created_at?: string
          credits_per_month?: number
          currency?: string
          description?: string | null
          dsd_simulations_per_month?: number
          features?: NonNullable<Json>
          id?: string
          is_active?: boolean
          max_users?: number
          name?: string
          price_monthly?: number
          price_yearly?: number | null
          priority_support?: boolean
          rollover_max?: number | null
          sort_order?: number
          stripe_price_id?: string | null
          stripe_price_id_yearly?: string | null
          updated_at?: string
        }
        Relationships: []
      }
      subscriptions: {
        Row: {
          billing_start: string | null
          cancel_at_period_end: boolean
          canceled_at: string | null
          cases_used_this_month: number
          created_at: string
          credits_bonus: number
          credits_rollover: number
          credits_used_hidden: number
          credits_used_this_month: number
          current_period_end: string | null
          current_period_start: string | null
          dsd_used_this_month: number
          id: string
          month_ends_at: string
          plan_change_entry: number
          plan_id: string | null
          settled_bonus: number
          settled_rollover: number
          status: string
          stripe_customer_id: string | null
          stripe_subscription_id: string | null
          trial_end: string | null
          trial_start: string | null
          updated_at: string
          usage_reset_at: string
          usage_reset_entry: number | null
          user_id: string
        }
        Insert: {
          billing_start?: string | null
          cancel_at_period_end?: boolean
          canceled_at?: string | null
          cases_used_this_month?: number
          created_at?: string
          credits_bonus?: number
          credits_rollover?: number
          credits_used_hidden?: number
          credits_used_this_month?: number
          current_period_end?: string | null
          current_period_start?: string | null
          dsd_used_this_month?: number
          id?: string
          month_ends_at?: string
          plan_change_entry?: number
          plan_id?: string | null
          settled_bonus?: number
          settled_rollover?: number
          status?: string
          stripe_customer_id?: string | null
          stripe_subscription_id?: string | null
          trial_end?: string | null
          trial_start?: string | null
          updated_at?: string
          usage_reset_at?: string
          usage_reset_entry?: number | null
          user_id: string
        }
        Update: {
          billing_start?: string | null
          cancel_at_period_end?: boolean
          canceled_at?: string | null
          cases_used_this_month?: number
          created_at?: string
          credits_bonus?: number
          credits_rollover?: number
          credits_used_hidden?: number
          credits_used_this_month?: number
          current_period_end?: string | null
          current_period_start?: string | null
          dsd_used_this_month?: number
          id?: string
          month_ends_at?: string
          plan_change_entry?: number
          plan_id?: string | null
          settled_bonus?: number
          settled_rollover?: number
          status?: string
          stripe_customer_id?: string | null
          stripe_subscription_id?: string | null
          trial_end?: string | null
          trial_start?: string | null
          updated_at?: string
          usage_reset_at?: string
          usage_reset_entry?: number | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "subscriptions_plan_id_fkey"
            columns: ["plan_id"]
            isOneToOne: false
            referencedRelation: "subscription_plans"
            referencedColumns: ["id"]
          },
        ]
      }
      user_inventory: {
        Row: {
          created_at: string
          id: string
          resin_id: string
          user_id: string
        }
        Insert: {
          created_at?: string
          id?: string
          resin_id: string
          user_id: string
        }
        Update: {
          created_at?: string
          id?: string
          resin_id?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "user_inventory_resin_id_fkey"
            columns: ["resin_id"]
            isOneToOne: false
            referencedRelation: "resin_catalog"
            referencedColumns: ["id"]
          },
        ]
      }
      webhook_events: {
        Row: {
          event_type: string
          id: string
          payload: Json | null
          processed_at: string | null
          status: string | null
          stripe_event_id: string
        }
        Insert: {
          event_type: string
          id?: string
          payload?: Json | null
          processed_at?: string | null
          status?: string | null
          stripe_event_id: string
        }
        Update: {
          event_type?: string
          id?: string
          payload?: Json | null
          processed_at?: string | null
          status?: string | null
          stripe_event_id?: string
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      add_bonus_credits:
        | { Args: { p_credits: number; p_user_id: string }; Returns: undefined }
        | {
            Args: { p_credits: number; p_reference: string; p_user_id: string }
            Returns: undefined
          }
      can_create_case: { Args: { p_user_id: string }; Returns: boolean }
      can_use_credits: {
        Args: { p_operation: string; p_user_id: string }
        Returns: boolean
      }
      check_and_increment_rate_limit: {
        Args: {
          p_day_window: string
          p_function_name: string
          p_hour_window: string
          p_minute_window: string
          p_user_id: string
        }
        Returns: {
          day_count: number
          hour_count: number
          minute_count: number
        }[]
      }
      check_shared_link_status: { Args: { p_token: string }; Returns: string }
      cleanup_expired_shared_links: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      cleanup_old_rate_limits: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      cleanup_stale_drafts: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      cleanup_stuck_evaluations: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      get_credit_cost: { Args: { p_operation: string }; Returns: number }
      get_dashboard_metrics: { Args: { p_user_id: string }; Returns: Json }
      get_shared_dsd: {
        Args: { p_token: string }
        Returns: {
          dsd_analysis: Json
          dsd_simulation_layers: Json
          dsd_simulation_url: string
          photo_frontal: string
        }[]
      }
      get_shared_evaluation: {
        Args: { p_token: string }
        Returns: {
          ai_treatment_indication: string
          cavity_class: string
          clinic_name: string
          created_at: string
          patient_document: Json
          status: string
          tooth: string
          treatment_type: string
        }[]
      }
      increment_case_usage: { Args: { p_user_id: string }; Returns: undefined }
      phi_decrypt: { Args: { ciphertext: string }; Returns: string }
      phi_encrypt: { Args: { plaintext: string }; Returns: string }
      refund_credits:
        | { Args: { p_operation: string; p_user_id: string }; Returns: boolean }
        | {
            Args: {
              p_operation: string
              p_reference_id: string
              p_user_id: string
            }
            Returns: boolean
          }
      reset_monthly_usage: { Args: Record<PropertyKey, never>; Returns: number }
      reset_monthly_usage_with_rollover: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      revoke_bonus_credits: {
        Args: { p_credits: number; p_reference: string; p_user_id: string }
        Returns: number
      }
      show_limit: { Args: Record<PropertyKey, never>; Returns: number }
      show_trgm: { Args: { "": string }; Returns: string[] }
      use_credits:
        | { Args: { p_operation: string; p_user_id: string }; Returns: boolean }
        | {
            Args: {
              p_operation: string
              p_reference_id: string
              p_user_id: string
            }
            Returns: boolean
          }
      verify_phi_encryption: {
        Args: Record<PropertyKey, never>
        Returns: {
          encrypted_rows: number
          sample_match: boolean
          table_name: string
          total_rows: number
          unencrypted_rows: number
        }[]
      }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] &
        DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] &
        DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  public: {
    Enums: {},
  },
} as const
